export { measure } from "./single-stream.mjs";
