import { expect, test } from "vitest";
import { PlaylistLint } from "../../support/hls-lint.ts";

const ZERO = Date.UTC(2026, 0, 1);

/** A faultless playlist of four segments of two seconds. */
function good(first = 0, count = 4, duration = 2): string {
  const segments = Array.from({ length: count }, (_, i) => [
    `#EXT-X-PROGRAM-DATE-TIME:${new Date(ZERO + 2000 * (first + i)).toISOString()}`,
    ...[`#EXTINF:${duration},`, `${first + i}.ts`],
  ]);
  return [
    ...["#EXTM3U", "#EXT-X-VERSION:6", "#EXT-X-TARGETDURATION:2", `#EXT-X-MEDIA-SEQUENCE:${first}`],
    ...["#EXT-X-INDEPENDENT-SEGMENTS", ...segments.flat(), ""],
  ].join("\n");
}

function problems(...texts: string[]): string[] {
  const lint = new PlaylistLint();
  for (const text of texts) lint.push(text);
  return lint.problems;
}

test("a stream that keeps the rules is not complained of", () => {
  expect(problems(good(), good(), good(1), good(2))).toEqual([]);
});

test.each<[string, string[]]>([
  ["lasts", [good().replace("#EXTINF:2,", "#EXTINF:2.6,")]],
  ["off", [good().replace("00:00:04.000", "00:00:04.200")]],
  // Each step is within bounds; all of them together are not.
  ["off the durations", [good(0, 10, 1.96)]],
  ["changed", [good(), good().replace("2.ts", "other.ts")]],
  ["target duration changed", [good(), good().replace("DURATION:2", "DURATION:3")]],
  ["went back", [good(1), good(0, 5)]],
  ["disappeared", [good(), good(0, 3)]],
  ["are left", [good(), good(2, 2)]],
  [
    "discontinuity sequence",
    [good(), good(1).replace("#EXT-X-IND", "#EXT-X-DISCONTINUITY-SEQUENCE:1\n#EXT-X-IND")],
  ],
  ["claimed again", [good().replace("#EXT-X-INDEPENDENT-SEGMENTS\n", ""), good()]],
  [
    "lost its beginning",
    [good(), good(1)].map((t) => t.replace("#EXT-X-IND", "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-IND")),
  ],
  [
    "never seen",
    [
      good(9)
        .replace("VERSION:6", "VERSION:9")
        .replace("#EXT-X-IND", "#EXT-X-SKIP:SKIPPED-SEGMENTS=2\n#EXT-X-IND"),
    ],
  ],
  ["has version", [good(), good().replace("#EXT-X-IND", "#EXT-X-SKIP:SKIPPED-SEGMENTS=2\n#EXT-X-IND")]],
  ["gaps in version", [good().replace("#EXTINF", "#EXT-X-GAP\n#EXTINF")]],
  ["after its end", [`${good()}#EXT-X-ENDLIST\n`, good(0, 5)]],
])("it notices what is wrong: %s", (complaint, texts) => {
  expect(problems(...texts).join("\n")).toContain(complaint);
});

test("it notices parts that change, or are too short, or too long", () => {
  const parts = (first: number) =>
    `${good()}#EXT-X-PART-INF:PART-TARGET=0.5\n#EXT-X-PART:DURATION=${first},URI="a"\n#EXT-X-PART:DURATION=0.5,URI="b"\n`;
  expect(problems(parts(0.5), parts(0.45)).join()).toContain("parts of segment 4 changed");
  expect(problems(parts(0.6)).join()).toContain("a lasts 0.6 of 0.5 s");
  const short = good().replace(
    "#EXTINF",
    '#EXT-X-PART:DURATION=0.4,URI="a"\n#EXT-X-PART:DURATION=1.6,URI="b"\n#EXTINF',
  );
  expect(problems(`${short}#EXT-X-PART-INF:PART-TARGET=1.6\n`).join()).toContain("a is short: 0.4");
});
