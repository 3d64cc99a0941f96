// Fetches from the page what is wanted, one request at a time, the most urgent first.

export class RequestQueue {
  // source: {has(request): it is here, or cannot be had; load(request): fetches it, never fails}; arrived(request): after each
  constructor(source, arrived) {
    this.source = source;
    this.arrived = arrived;
    this.wanted = [];
    this.busy = false;
  }

  // What an earlier call wanted and was not started yet is forgotten.
  want(requests) {
    this.wanted = requests;
    if (!this.busy) this.fetchNext();
  }

  async fetchNext() {
    const request = this.wanted.find((wanted) => !this.source.has(wanted));
    if (!request) return;
    this.busy = true;
    await this.source.load(request);
    this.busy = false;
    this.arrived(request);
    this.fetchNext();
  }

  // All of them, for those who save a run. progress(index): before each of them; it may throw to give up.
  async loadAll(requests, progress = () => {}) {
    for (const [index, request] of requests.entries()) {
      progress(index);
      if (!this.source.has(request)) await this.source.load(request);
    }
  }
}
