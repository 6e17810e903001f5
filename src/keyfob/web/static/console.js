// Comfort in the console: search as one types, keys, selection, the palette. It carries no words.

import { enliven } from "./keyfob.js";
