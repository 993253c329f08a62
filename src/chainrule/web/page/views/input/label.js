/** What the picture is: the label of a sample, or of a drawing what the reader says; the gradient needs one. */

/** @typedef {import("../../types.js").App} App */

const OWN = "as it says"; // without a word of the reader, the gradient takes the network's own answer

export class Label {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    this.element = document.createElement("div");
    this.element.className = "input-label";
    this.words = document.createElement("p");
    this.select = document.createElement("select");
    this.ask = document.createElement("label");
    const digits = app.description.classes.every((name) => /^\d$/.test(name));
    this.ask.append(digits ? "Which digit is it?" : "What is it?", this.select);
    this.note = document.createElement("p");
    this.note.className = "note";
    this.select.addEventListener("change", () => this.#choose());
    const options = ["", ...app.description.classes].map((name, k) => {
      const option = document.createElement("option");
      option.value = k ? String(k - 1) : "";
      option.textContent = k ? name : OWN;
      return option;
    });
    this.select.append(...options);
    this.element.append(this.words, this.ask, this.note);
  }

  update() {
    const { picture, description } = this.app;
    if (!picture) return;
    const isSample = /^sample /.test(picture.from);
    const name = picture.label === null ? "" : (description.classes[picture.label] ?? String(picture.label));
    const other = picture.from === "drawn" ? "As MNIST would see it" : picture.from;
    this.words.textContent = isSample ? capital(picture.from) : other;
    this.ask.hidden = isSample;
    this.note.hidden = !isSample;
    this.note.textContent = `labelled ${name}`;
    this.select.value = picture.label === null ? "" : String(picture.label);
    const own = this.app.trace?.picture.from === picture.from ? this.app.trace.picture.label : null;
    if (picture.label !== null || own === null) return;
    this.select.options[0].textContent = `${OWN}: ${description.classes[own]}`;
  }

  #choose() {
    const { picture } = this.app;
    if (!picture) return;
    this.app.show({ ...picture, label: this.select.value === "" ? null : Number(this.select.value) });
  }
}

/** @param {string} text */
function capital(text) {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
