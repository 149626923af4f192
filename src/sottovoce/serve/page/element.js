// <sottovoce-lane src="call.wav">: the emotion lane of a recording, on anybody's page; see examples/embed.html.

import { clock, stretches } from "./answers.js";
import { make } from "./dom.js";
import { lane, styles, words } from "./lane.js";

const HERE = new URL(".", import.meta.url);
const SERVICE = new URL("..", import.meta.url);

/**
 * Attributes: `src`, the recording; `model`, one that the service has; `key`, where it wants one.
 *
 * It fires `sottovoce-segments` with the segments in `detail` once they are there.
 */
class SottovoceLane extends HTMLElement {
  async connectedCallback() {
    const audio = make("audio", { controls: true, src: this.getAttribute("src"), style: { width: "100%" } });
    const place = make("p", { role: "status" }, "…");
    this.attachShadow({ mode: "open" }).append(make("link", { rel: "stylesheet", href: new URL("style.css", HERE).href }), audio, place);
    try {
      place.replaceWith(await this._lane(audio));
    } catch (error) {
      place.textContent = error.message;
    }
  }

  async _lane(audio) {
    const key = this.getAttribute("key");
    const headers = key ? { Authorization: `Bearer ${key}` } : {};
    const wanted = this.getAttribute("model");
    const ask = async (path, request = {}) => {
      const answer = await fetch(new URL(path, SERVICE), { ...request, headers });
      const body = await answer.json();
      if (!answer.ok) throw new Error(body.error?.message ?? answer.statusText);
      return body;
    };
    const sound = await (await fetch(this.getAttribute("src"))).blob();
    const query = wanted ? `?model=${encodeURIComponent(wanted)}` : "";
    const [{ models }, { segments }] = await Promise.all([
      ask("v1/models"),
      ask(`v1/timeline${query}`, { method: "POST", body: sound }),
    ]);
    const model = models.find((one) => (wanted ? one.name === wanted : one.default));
    this.dispatchEvent(new CustomEvent("sottovoce-segments", { detail: segments, bubbles: true }));
    const end = segments.at(-1)?.end ?? 1;
    return lane(stretches(segments), end, styles(model), {
      label: `Emotion, ${clock(end)}`,
      choose: (one, how) => {
        audio.currentTime = one.start;
        if (how === "click") audio.play();
        audio.title = words(one);
      },
    });
  }
}

customElements.define("sottovoce-lane", SottovoceLane);
