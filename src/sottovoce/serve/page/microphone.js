// The microphone: asked for, opened without the browser's own changes to the sound, and heard block by block.

import { texts } from "./texts.js";

/** s: short enough for labels without delay, long enough to leave the page in peace. */
const BLOCK = 0.05;

const AS_IT_IS = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 };

const SENTENCES = {
  NotAllowedError: texts.microphone.denied,
  SecurityError: texts.microphone.denied,
  NotFoundError: texts.microphone.none,
  OverconstrainedError: texts.microphone.none,
  NotReadableError: texts.microphone.taken,
  AbortError: texts.microphone.taken,
};

/**
 * Open the microphone: {rate, pause, resume, close}. An Error's message says to people why it is not open.
 *
 * `onBlock(samples)` gets about 50 ms at a time, at `rate` Hz where the browser can resample, else at the device's;
 * `onLost()` is called when the device goes away.
 */
export async function openMicrophone(rate, { onBlock, onLost }) {
  if (!navigator.mediaDevices?.getUserMedia) throw new Error(window.isSecureContext ? texts.microphone.none : texts.microphone.insecure);
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: AS_IT_IS });
  } catch (error) {
    throw new Error(SENTENCES[error.name] ?? texts.microphone.failed(error.message));
  }
  const stop = () => stream.getTracks().forEach((track) => track.stop());
  let context;
  try {
    let source;
    [context, source] = connect(stream, rate);
    await context.audioWorklet.addModule(new URL("./recorder-worklet.js", import.meta.url));
    const recorder = new AudioWorkletNode(context, "recorder", {
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: "explicit",
      processorOptions: { size: Math.round(BLOCK * context.sampleRate) },
    });
    recorder.port.onmessage = ({ data }) => onBlock(data);
    source.connect(recorder);
    await context.resume();
  } catch (error) {
    stop();
    context?.close();
    throw new Error(texts.microphone.failed(error.message));
  }
  stream.getAudioTracks()[0].addEventListener("ended", onLost);
  return {
    rate: context.sampleRate,
    pause: () => context.suspend(),
    resume: () => context.resume(),
    close: () => {
      stop();
      context.close();
    },
  };
}

// Firefox connects a microphone to no context of another rate than its own.
function connect(stream, rate) {
  const wanted = new AudioContext({ sampleRate: rate });
  try {
    return [wanted, wanted.createMediaStreamSource(stream)];
  } catch (error) {
    wanted.close();
    if (error.name !== "NotSupportedError") throw error;
    const own = new AudioContext();
    return [own, own.createMediaStreamSource(stream)];
  }
}
