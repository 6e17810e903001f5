export { express } from "./express.js";
export { fastify } from "./fastify.js";
export { SeenHere } from "./proofs.js";
export { Verifier } from "./verifier.js";
export { Refused, Unavailable } from "./errors.js";
