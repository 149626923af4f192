// Sound in the browser: decoding, peaks, cutting, WAV files.

export const PEAKS_PER_SECOND = 100;

/** Longer recordings are not decoded here: their samples would fill the memory. s */
export const DECODED = 30 * 60;

/** Decode a Blob: {duration, rate, channels: [Float32Array]}; null where the browser cannot. */
export async function decode(blob) {
  const context = new OfflineAudioContext(1, 1, 16_000);
  try {
    const buffer = await context.decodeAudioData(await blob.arrayBuffer());
    return {
      duration: buffer.duration,
      rate: buffer.sampleRate,
      channels: Array.from({ length: buffer.numberOfChannels }, (_, i) => buffer.getChannelData(i)),
    };
  } catch {
    return null;
  }
}

/** Bytes that `headOf` looks at. */
export const HEAD = 64;

/** What the first bytes of a WAV or FLAC file of `size` bytes say: {channels, duration}; null of others. */
export function headOf(bytes, size) {
  if (bytes.length < HEAD) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const text = (at, length) => String.fromCharCode(...bytes.subarray(at, at + length));
  if (text(0, 4) === "RIFF" && text(8, 8) === "WAVEfmt ") return { channels: view.getUint16(22, true), duration: size / view.getUint32(28, true) };
  if (text(0, 4) !== "fLaC") return null;
  const samples = (bytes[21] & 15) * 2 ** 32 + view.getUint32(22); // 20 bits of rate, 3 of channels, 5 of depth, 36 of samples
  return { channels: ((bytes[20] >> 1) & 7) + 1, duration: samples / (view.getUint32(18) >>> 12) };
}

/** The largest and least sample of each part, in turn: Float32Array of 2 * count. */
export function peaksOf(samples, count) {
  const peaks = new Float32Array(2 * count);
  for (let i = 0; i < count; i += 1) {
    const end = Math.max(Math.floor(((i + 1) * samples.length) / count), Math.floor((i * samples.length) / count) + 1);
    let [high, low] = [0, 0];
    for (let j = Math.floor((i * samples.length) / count); j < end; j += 1) {
      if (samples[j] > high) high = samples[j];
      else if (samples[j] < low) low = samples[j];
    }
    peaks[2 * i] = high;
    peaks[2 * i + 1] = low;
  }
  return peaks;
}

/** Whether two channels carry the same sound, but for their level: their correlation is 0.98 or more. */
export function alike(a, b) {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i += 7) {
    ab += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return aa === 0 || bb === 0 ? aa === bb : Math.abs(ab) / Math.sqrt(aa * bb) >= 0.98;
}

/** The 44 bytes before the samples of a WAV file of 16 bits, of which there are `size` bytes. */
export function wavHeader(rate, channels, size) {
  const view = new DataView(new ArrayBuffer(44));
  const text = (at, letters) => [...letters].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + size, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, channels, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, rate * channels * 2, true);
  view.setUint16(32, channels * 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, size, true);
  return view;
}

/** A stretch of channels as a WAV file of 16 bits. */
export function wav(channels, rate, start = 0, end = Infinity) {
  const first = Math.max(0, Math.round(start * rate));
  const last = Math.min(channels[0].length, Math.round(Math.min(end, channels[0].length / rate) * rate));
  const view = new DataView(new ArrayBuffer(Math.max(0, last - first) * channels.length * 2));
  let at = 0;
  for (let i = first; i < last; i += 1) {
    for (const channel of channels) {
      view.setInt16(at, Math.round(Math.max(-1, Math.min(1, channel[i])) * 32767), true);
      at += 2;
    }
  }
  return new Blob([wavHeader(rate, channels.length, view.byteLength), view], { type: "audio/wav" });
}
