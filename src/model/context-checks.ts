import { InvalidOptionError } from "../errors.js";
import type { Check } from "../validate.js";
import { anInteger, oneOf, optionsObject, required } from "../validate.js";
import type { KvType } from "./ggml-types.js";

const int32Max = 0x7fffffff;

const aKvTypeName = oneOf("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl");
const aKvTypeOrAuto = oneOf("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl", "auto");
const aKvTypePair = optionsObject({ k: required(aKvTypeName), v: required(aKvTypeName) });

export const aKvType: Check<{ k: KvType; v: KvType } | "auto"> = (value, name) => {
  if (typeof value === "object") return aKvTypePair(value, name);
  const type = aKvTypeOrAuto(value, name);
  return type === "auto" ? type : { k: type, v: type };
};

export const aContextSize: Check<number | "auto"> = (value, name) => {
  if (value === "auto") return value;
  if (typeof value === "string") throw new InvalidOptionError(name, 'a number of tokens or "auto"', value);
  return anInteger(1, int32Max)(value, name);
};
