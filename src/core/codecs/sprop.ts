import { fromBase64 } from "../base64.ts";
import { fmtpValue } from "../fmtp.ts";

/** NAL units that an fmtp value brings in base64, by the names of its parameters; what is not base64 is left out. */
export function spropNals(fmtp: string, names: readonly string[]): Uint8Array[] {
  return names.flatMap((name) =>
    (fmtpValue(fmtp, name) ?? "").split(",").flatMap((text) => {
      const nal = fromBase64(text.trim());
      return nal && nal.length > 0 ? [nal] : [];
    }),
  );
}
