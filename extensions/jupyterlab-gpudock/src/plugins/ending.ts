import { JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';

import { Ending } from '../model/ending';
import { IServerEnding } from '../model/tokens';

export const ending: JupyterFrontEndPlugin<Ending> = {
  id: 'jupyterlab-gpudock:ending',
  description: 'Knows whether the user has asked for the end of this server.',
  autoStart: true,
  provides: IServerEnding,
  requires: [JupyterFrontEnd.IPaths],
  activate: (_app: JupyterFrontEnd, { urls }: JupyterFrontEnd.IPaths) => {
    const ending = new Ending();
    if (urls.hubPrefix && urls.base) {
      ending.follow(urls.base);
    }
    return ending;
  }
};
