/** The parts of the page that the template renders: its language, its title and the navigation. */
import type { Section } from './config';
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
