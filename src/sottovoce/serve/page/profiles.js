// What is doubtful about a profile, as `Profile.warnings` of the library has it. No DOM, no network.

/** Recordings below which a mixed profile is doubted. */
export const FEW = 8;

/** Doubts about the content of a profile: "few", "alike", "differ"; `info` is what the model's card says of profiles. */
export function doubts({ kind, recordings, spread }, info) {
  const [low, high] = info[kind].spread;
  if (kind === "mixed") {
    if (recordings < FEW) return ["few"];
    return spread !== null && spread < low ? ["alike"] : [];
  }
  return spread !== null && spread > high ? ["differ"] : [];
}
