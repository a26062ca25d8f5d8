import { commands } from './plugins/commands';
import { connectionLost } from './plugins/connectionLost';
import { ending } from './plugins/ending';
import { kernelEnds } from './plugins/kernelEnds';
import { model } from './plugins/model';
import { notifications } from './plugins/notifications';
import { panel } from './plugins/panel';
import { settings } from './plugins/settings';
import { statusBar } from './plugins/statusBar';

export { IGPUModel } from './model/tokens';

export default [
  model,
  settings,
  ending,
  panel,
  statusBar,
  notifications,
  kernelEnds,
  connectionLost,
  commands
];
