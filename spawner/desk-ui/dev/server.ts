/**
 * The development server, `npm run dev`: the pages with a fake lab, in a frame like the Hub's.
 *
 * The address chooses the lab and the user: `/services/gpudock/lab?as=admin&lab=empty`. The labs
 * are `full`, `empty`, `cpu`, `many` (5,000 users) and `broken`. Only `admin` is an administrator.
 */
import { createReadStream, existsSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join, normalize } from 'node:path';
import type { Plugin } from 'vite';
import { SECTIONS } from '../src/config';
import { FakeLab } from '../src/testing/fakeLab';

const BASE = '/services/gpudock/';
const API = `${BASE}api/v1/`;
const HUB = '/hub/';
const STATIC = `${HUB}static/`;
const HUB_FILES = join(import.meta.dirname, '../../../.venv/share/jupyterhub/static');
const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css',
  '.js': 'text/javascript',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2'
};
const LABS = ['full', 'empty', 'cpu', 'many', 'broken'] as const;

export function fakeDesk(): Plugin {
  const labs = new Map<string, FakeLab>();
  const labOf = (user: string, kind: string) => {
    const key = `${user}/${kind}`;
    const lab =
      labs.get(key) ??
      new FakeLab({
        user,
        users: kind === 'many' ? 5000 : 40,
        empty: kind === 'empty' || kind === 'cpu',
        cpu: kind === 'cpu',
        broken: kind === 'broken',
        now: () => Date.now() / 1000
      });
    labs.set(key, lab);
    return lab;
  };

  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<boolean> => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    if (url.pathname.startsWith(STATIC)) {
      const file = join(HUB_FILES, normalize(url.pathname.slice(STATIC.length)));
      if (!file.startsWith(HUB_FILES) || !existsSync(file)) return false;
      response.setHeader('Content-Type', TYPES[extname(file)] ?? 'application/octet-stream');
      createReadStream(file).pipe(response);
      return true;
    }
    const ofHub = url.pathname === `${HUB}gpudock/servers` || url.pathname.startsWith(`${HUB}api/`);
    if (url.pathname.startsWith(API) || ofHub) {
      const cookies = new URLSearchParams((request.headers.cookie ?? '').replaceAll('; ', '&'));
      const lab = labOf(cookies.get('as') ?? 'ada', cookies.get('lab') ?? 'full');
      const body = await read(request);
      const path = url.pathname.slice(API.length) + url.search;
      const ifMatch = request.headers['if-match'] ?? null;
      const method = request.method ?? 'GET';
      const { status, body: content } = ofHub
        ? lab.respondAsHub(method, url.pathname.slice(HUB.length))
        : lab.respond(method, path, body, ifMatch);
      response.statusCode = status;
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify(content));
      return true;
    }
    if (url.pathname.startsWith(BASE)) {
      const user = url.searchParams.get('as') ?? 'ada';
      const kind = LABS.find(known => known === url.searchParams.get('lab')) ?? 'full';
      response.setHeader('Set-Cookie', [`as=${encodeURIComponent(user)}`, `lab=${kind}`]);
      response.setHeader('Content-Type', 'text/html');
      response.end(frame(user, url.pathname.slice(BASE.length) || 'mine'));
      return true;
    }
    return false;
  };

  return {
    name: 'fake-desk',
    apply: 'serve',
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        respond(request, response).then(done => {
          if (!done) next();
        }, next);
      });
    }
  };
}

async function read(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function frame(user: string, section: string): string {
  const rights = user === 'admin' ? 'yes' : 'no';
  const links = SECTIONS.map(
    name =>
      `<li class="nav-item"><a class="nav-link${name === section ? ' active' : ''}"
        href="${BASE}${name === 'mine' ? '' : name}?as=${encodeURIComponent(user)}">${name}</a></li>`
  ).join('');
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1.0">
    <title>gpudock</title>
    <link rel="stylesheet" href="${STATIC}css/style.min.css">
    <script src="${STATIC}components/bootstrap/dist/js/bootstrap.bundle.min.js"></script>
    <script src="${STATIC}js/darkmode.js"></script>
    <script type="module" src="/@vite/client"></script>
    <script type="module" src="/src/main.tsx"></script>
  </head>
  <body>
    <nav class="navbar navbar-expand-sm bg-body-tertiary mb-4"><div class="container-fluid">
      <ul class="navbar-nav me-auto flex-row gap-3">${links}</ul>
      <button class="btn btn-sm" type="button" id="dark-theme-toggle">Light or dark</button>
    </div></nav>
    <main class="container-fluid">
      <div id="gpudock-desk" data-api="${API}" data-base="${BASE}" data-hub="/hub/"
        data-user="${encodeURIComponent(user)}" data-read="${rights}" data-manage="${rights}" data-groups="[]"
        data-section="${section}" data-xsrf="fake"></div>
    </main>
  </body>
</html>`;
}
