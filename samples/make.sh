#!/usr/bin/env bash
# Makes the sample recordings of this folder again: synthesised speech (espeak-ng), silence and noise (sox).
set -euo pipefail
cd "$(dirname "$0")"
say() { # name, voice, words a minute, pitch 0-99, amplitude, text
  espeak-ng -v "$2" -s "$3" -p "$4" -a "$5" --stdout "$6" |
    sox -t wav - -r 16000 -b 16 -c 1 "$1.wav" pad 0.4 0.4
}
say calm-voice en-gb 130 30 60 "The kettle is on, and there is no hurry at all."
say lively-voice en-us+f3 210 80 120 "They said yes! We are going tomorrow, all of us!"
say stern-voice en-us+m3 180 10 150 "I asked you twice to leave that door closed."
sox -n -r 16000 -b 16 -c 1 silence.wav trim 0 3
sox -n -r 16000 -b 16 -c 1 -R noise.wav synth 3 brownnoise gain -20
