import { Component, type ReactNode } from 'react';

import { DisplayContext } from './display';
import { Notice } from './notice';

/** Keeps what fails in one part of the panel from taking the other parts away. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { failure: string | null }> {
  static override contextType = DisplayContext;

  static getDerivedStateFromError(error: unknown): { failure: string } {
    return { failure: String(error) };
  }

  declare context: React.ContextType<typeof DisplayContext>;

  override state: { failure: string | null } = { failure: null };

  override render(): ReactNode {
    const { trans } = this.context;
    return this.state.failure === null ? (
      this.props.children
    ) : (
      <Notice
        level="notice"
        words={{
          title: trans.__('This part cannot be shown'),
          why: trans.__('An error in this page keeps it away.'),
          quote: this.state.failure,
          advice: trans.__(
            'Page and server may be of different versions: reload the page, and restart the server if that does not help.'
          )
        }}
      />
    );
  }
}
