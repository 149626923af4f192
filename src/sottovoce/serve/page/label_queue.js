// The stretches that a person labels, one after another: what comes next, what was skipped. No DOM, no network.

import { inOrder, isOpen, sameStretch } from "./ratings.js";

/** The queue of one rater. Those that were labelled come first, so that one can go back to them. */
export class Queue {
  constructor(units, rater) {
    this.rater = rater;
    this.all = inOrder(units, rater);
    this._skipped = new Set();
    this.at = Math.max(0, this.all.findIndex((unit) => this._isOpen(unit)));
  }

  /** The unit that is shown; undefined where there are none. */
  get unit() {
    return this.all[this.at];
  }

  /** How many wait for a label. */
  get open() {
    return this.all.filter((unit) => this._isOpen(unit)).length;
  }

  /** Put new units among those still to come, by how certain they are; true where another is shown now. */
  join(units) {
    const fresh = units.filter((unit) => !sameStretch(this.all.filter((one) => one.hash === unit.hash), unit));
    const idle = !this.open;
    const shown = this.all.length ? this.at + 1 : 0;
    this.all = [...this.all.slice(0, shown), ...inOrder([...this.all.slice(shown), ...fresh], this.rater)];
    if (!idle || !fresh.length) return false;
    this.at = Math.max(0, this.all.findIndex((unit) => this._isOpen(unit)));
    return true;
  }

  /** Go so many units on or back; false at the ends. */
  step(by) {
    const next = Math.min(this.all.length - 1, Math.max(0, this.at + by));
    const moved = next !== this.at;
    this.at = next;
    return moved;
  }

  /** Go to a unit. */
  goTo(unit) {
    this.at = this.all.indexOf(unit);
  }

  /** Leave the unit for the end. */
  skip() {
    this._skipped.add(this.unit);
    this.onward();
  }

  /** Go to the next that is open: after this one, else before it, else one that was skipped. */
  onward() {
    const turned = [...this.all.slice(this.at + 1), ...this.all.slice(0, this.at)].filter((unit) => this._isOpen(unit));
    const next = turned.find((unit) => !this._skipped.has(unit)) ?? turned[0];
    if (next) this.goTo(next);
  }

  _isOpen(unit) {
    return isOpen(unit, this.rater);
  }
}
