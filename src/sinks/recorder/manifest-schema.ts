import type { ErrorObject, ValidateFunction } from "ajv/dist/2020.js";
import schema from "./manifest.schema.json" with { type: "json" };
import type { Manifest } from "./manifest.ts";

/** A manifest, or where the first thing is that makes it none. */
export type ManifestCheck =
  | { readonly manifest: Manifest }
  | {
      /** JSON pointer (RFC 6901) of the value that is wrong. */
      readonly at: string;
      /** What is wrong with it. */
      readonly problem: string;
    };

let compiled: Promise<ValidateFunction<Manifest>> | undefined;

/** Lazily: the validator is a compiler, and only few commands need it. */
async function compile(): Promise<ValidateFunction<Manifest>> {
  const { Ajv2020 } = await import("ajv/dist/2020.js");
  return new Ajv2020().compile<Manifest>(schema);
}

/** Holds a parsed `manifest.json` against its JSON Schema (`manifest.schema.json`). */
export async function checkManifest(value: unknown): Promise<ManifestCheck> {
  compiled ??= compile();
  const validate = await compiled;
  if (validate(value)) return { manifest: value };
  const error = deepest(validate.errors ?? []);
  return { at: error?.instancePath ?? "", problem: error ? said(error) : "is not a manifest" };
}

/** Of the errors of alternatives, the one that got furthest is the one that is meant. */
function deepest(errors: readonly ErrorObject[]): ErrorObject | undefined {
  const depth = (e: ErrorObject) => e.instancePath.split("/").length;
  const type = errors.find((e) => e.keyword === "oneOf");
  return type ?? errors.toSorted((a, b) => depth(b) - depth(a))[0];
}

function said(e: ErrorObject): string {
  if (e.keyword === "oneOf") return "is none of the things that it could be";
  const extra: unknown = e.params.additionalProperty;
  return extra === undefined ? (e.message ?? e.keyword) : `must not have the property "${String(extra)}"`;
}
