/** The parts of the page that the template renders: its language, its title and the navigation. */
import { callHub } from './api/client';
import type { Desk, Section } from './config';
import { whole } from './lib/numbers';
import { t } from './strings';
import { language } from './strings/language';

/** Put the frame of the page into the language of its content. The template is in English. */
export function translateFrame(section: Section): void {
  document.documentElement.lang = language;
  if (language === 'en') return;
  const { frame } = t;
  document.title = document.title.replace(/^.*? – /, `${frame.links[section]} – `);
  setText('a[href="#main"]', frame.skip);
  setLabel('nav', frame.main);
  setLabel('.navbar-toggler', frame.menu);
  setLabel('#dark-theme-toggle', frame.theme);
  setLabel('#dark-theme-toggle', frame.theme, 'title');
  setText('#logout', frame.logout);
  setLabel('#jupyterhub-logo img', frame.links.mine, 'alt');
  setLabel('#jupyterhub-logo img', frame.links.mine, 'title');
  for (const [key, name] of Object.entries(frame.links)) setText(`#gpudock-nav-${key}`, name);
}

/**
 * Show administrators beside the link to the accounts how many wait for approval, as the Hub's own
 * pages do.
 */
export async function showPendingAccounts(desk: Desk): Promise<void> {
  const link = document.getElementById('gpudock-nav-accounts');
  if (link === null) return;
  // Without an answer, and for those who may not know it, there is just no number.
  const answer = await callHub<{ readonly pending: number }>(
    desk,
    'GET',
    'gpudock/pending-accounts',
    desk.xsrf
  ).catch(() => ({ pending: 0 }));
  if (answer.pending === 0) return;
  const text = t.frame.pending(answer.pending);
  const badge = document.createElement('span');
  badge.className = 'badge text-bg-warning';
  badge.title = text;
  badge.setAttribute('aria-label', text);
  badge.setAttribute('role', 'img');
  badge.textContent = whole(answer.pending);
  link.append(' ', badge);
}

/** Replace the text of an element, and keep the elements within it: icons and badges. */
function setText(selector: string, text: string): void {
  const node = [...(document.querySelector(selector)?.childNodes ?? [])].find(
    child => child instanceof Text && child.data.trim() !== ''
  );
  if (node instanceof Text) node.data = text;
}

function setLabel(selector: string, text: string, attribute = 'aria-label'): void {
  document.querySelector(selector)?.setAttribute(attribute, text);
}
