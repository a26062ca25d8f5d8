/** GPU-hours as stacked bars. Loaded only when needed, together with Chart.js. */
import {
  BarController,
  BarElement,
  CategoryScale,
  Chart,
  Legend,
  LinearScale,
  Tooltip
} from 'chart.js';
import { useEffect, useRef } from 'react';
import type { Bucket } from '../../api/types';
import { utcDay, utcMonth } from '../../lib/format';
import { amount } from '../../lib/numbers';
import { useTheme } from '../../lib/theme';
import { t } from '../../strings';
import type { Series } from './series';

Chart.register(BarController, BarElement, CategoryScale, LinearScale, Legend, Tooltip);

// Distinguishable with color blindness (after Okabe and Ito), on light and dark backgrounds.
const COLORS = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#8f7dd6'];
const OTHERS = '#8a8f98';

interface UsageChartProps {
  readonly label: string;
  readonly starts: readonly number[];
  readonly bucket: Bucket;
  readonly series: readonly Series[];
}

export default function UsageChart({ label, starts, bucket, series }: UsageChartProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useTheme();
  useEffect(() => {
    if (canvas.current === null) return;
    const style = getComputedStyle(document.documentElement);
    const text = style.getPropertyValue('--bs-body-color').trim();
    const grid = style.getPropertyValue('--bs-border-color').trim();
    const chart = new Chart(canvas.current, {
      type: 'bar',
      data: {
        labels: starts.map(start => labelOf(start, bucket)),
        datasets: series.map(({ name, values }, index) => ({
          label: name,
          data: [...values],
          backgroundColor:
            name === t.usage.others ? OTHERS : (COLORS[index % COLORS.length] ?? OTHERS),
          maxBarThickness: 48
        }))
      },
      options: {
        animation: false,
        maintainAspectRatio: false,
        interaction: { mode: 'index', intersect: false },
        scales: {
          x: { stacked: true, ticks: { color: text, maxRotation: 0 }, grid: { display: false } },
          y: {
            stacked: true,
            beginAtZero: true,
            ticks: { color: text, callback: value => amount(Number(value)) },
            grid: { color: grid },
            title: { display: true, text: t.usage.gpuHours, color: text }
          }
        },
        plugins: {
          legend: { position: 'bottom', labels: { color: text, boxWidth: 12 } },
          tooltip: {
            filter: item => item.parsed.y !== 0,
            callbacks: {
              label: item => t.usage.tooltip(item.dataset.label ?? '', amount(item.parsed.y ?? 0))
            }
          }
        }
      }
    });
    return () => chart.destroy();
  }, [starts, bucket, series, theme]);
  return (
    <div className="gd-chart">
      <canvas ref={canvas} role="img" aria-label={label} />
    </div>
  );
}

// Buckets start at midnight UTC, so their names are in UTC too.
function labelOf(start: number, bucket: Bucket): string {
  return (bucket === 'month' ? utcMonth : utcDay)(start);
}
