// In the audio thread: the microphone's samples, handed over in blocks.

class Recorder extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.size = processorOptions.size;
    this.block = new Float32Array(this.size);
    this.filled = 0;
  }

  process([input]) {
    const samples = input[0]; // one channel; there is none while nothing is connected
    for (let at = 0; at < (samples?.length ?? 0); ) {
      const part = samples.subarray(at, at + this.size - this.filled);
      this.block.set(part, this.filled);
      this.filled += part.length;
      at += part.length;
      if (this.filled === this.size) {
        this.port.postMessage(this.block, [this.block.buffer]);
        this.block = new Float32Array(this.size);
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("recorder", Recorder);
