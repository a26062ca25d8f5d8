import { configure } from '@testing-library/react';

// JupyterLab's packages need these when they are imported, and jsdom lacks them.
globalThis.DragEvent = class extends MouseEvent {} as typeof DragEvent;
window.requestIdleCallback = callback => window.setTimeout(callback);
window.matchMedia = (() => ({ addListener: () => undefined })) as never;

// For slow machines.
configure({ asyncUtilTimeout: 10_000 });
