import express from "express";
import { Verifier, express as admit } from "keyfob-client/server";

const verifier = new Verifier({
  issuer: "http://localhost:8000/auth",
  audience: "https://orders.example.com",
  client: { id: process.env.ORDERS_ID, secret: process.env.ORDERS_SECRET },
});
const app = express();

app.get("/orders", admit(verifier, { scope: "orders:read" }), (request, response) => {
  response.json(["a loom", "two hundred cards"]);
});

app.listen(8002, "127.0.0.1");
