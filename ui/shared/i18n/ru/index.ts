// The whole catalogue of one language, put together. Holds no word itself.
import { app } from "./app.ts";
import { codes } from "./codes.ts";
import { errors } from "./errors.ts";
import { exchange } from "./exchange.ts";
import { fields } from "./fields.ts";
import { form } from "./form.ts";
import { record } from "./record.ts";

export const catalogue = { ...app, ...form, ...fields, ...errors, ...codes, ...record, ...exchange };
