/**
 * The order in which a document was requested. Responses can arrive in another order: each is
 * dropped if a later state is known already.
 */
export class RequestOrder {
  /**
   * Take note of a request that is sent now.
   *
   * @returns a function to call with the response: whether it is newer than what is known; if so,
   *   it counts as known from then on
   */
  begin(): () => boolean {
    const request = ++this.requested;
    return () => {
      const isNewer = request > this.known;
      if (isNewer) {
        this.known = request;
      }
      return isNewer;
    };
  }

  /** Take note of a newer state: the responses to all requests so far are out of date. */
  supersede(): void {
    this.known = this.requested;
  }

  private requested = 0;
  private known = 0;
}
