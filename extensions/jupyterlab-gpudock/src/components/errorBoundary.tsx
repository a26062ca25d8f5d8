import { Component, type ReactNode } from 'react';

import { DisplayContext } from './display';
import { Notice } from './notice';

/** Shows a notice in place of a part of the panel that fails. The other parts go on. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { error: string | null }> {
  static override contextType = DisplayContext;

  static getDerivedStateFromError(error: unknown): { error: string } {
    return { error: String(error) };
  }

  declare context: React.ContextType<typeof DisplayContext>;

  override state: { error: string | null } = { error: null };

  override render(): ReactNode {
    const { trans } = this.context;
    return this.state.error === null ? (
      this.props.children
    ) : (
      <Notice
        level="notice"
        message={{
          title: trans.__('This part cannot be shown'),
          reason: trans.__('An error occurred on this page.'),
          quote: this.state.error,
          advice: trans.__(
            'The page and the server may have different versions. Reload the page. If that does not help, restart the server.'
          )
        }}
      />
    );
  }
}
