// Projector view: words, river and transport over the whole screen, large, for a class. Escape leaves.

export class Projector {
  constructor(root) {
    this.root = root;
    this.button = root.querySelector(".sp-projector");
    document.addEventListener("fullscreenchange", () => { if (!document.fullscreenElement && this.on) this.show(false); });
  }

  get on() {
    return this.root.dataset.projector === "yes";
  }

  toggle() {
    if (this.on) this.leave();
    else this.enter();
  }

  // Where the browser or the page around keeps the screen, the view fills the window.
  async enter() {
    this.show(true);
    await this.root.requestFullscreen?.().catch(() => {});
  }

  leave() {
    this.show(false);
    if (document.fullscreenElement) document.exitFullscreen();
  }

  show(on) {
    if (on) this.root.dataset.projector = "yes";
    else delete this.root.dataset.projector;
    this.button.setAttribute("aria-pressed", String(on));
    document.documentElement.classList.toggle("sp-projecting", on);
    this.root.focus({ preventScroll: on });
  }
}
