// Verify one signed record with Node's own crypto, and nothing of Spingate: the recipe of docs/record.md.
// usage: node verify.mjs RECORD PUBLIC.pem   prints the payload's sha256, or fails
import { createHash, createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";

const message = readFileSync(process.argv[2]);
let at = 0;
function head(major) {
  const first = message[at++];
  if (first >> 5 !== major) throw new Error(`byte ${at - 1}: not of major type ${major}`);
  const low = first & 31;
  if (low < 24) return low;
  const size = { 24: 1, 25: 2, 26: 4 }[low];
  if (!size) throw new Error(`byte ${at - 1}: length not allowed`);
  at += size;
  return message.readUIntBE(at - size, size);
}
function bytes() {
  const size = head(2);
  at += size;
  return message.subarray(at - size, at);
}
function prefix(size) {
  if (size < 24) return Buffer.from([0x40 | size]);
  if (size < 256) return Buffer.from([0x58, size]);
  return Buffer.from([0x59, size >> 8, size & 255]);
}

if (head(6) !== 18 || head(4) !== 4) throw new Error("not a COSE_Sign1");
const header = bytes();
if (head(5) !== 0) throw new Error("the unprotected header is not empty");
const payload = bytes();
const signature = bytes();
if (at !== message.length) throw new Error("trailing bytes");
if (header.subarray(0, 5).toString("hex") !== "a201320448") throw new Error("algorithm is not -19");

const pem = createPublicKey(readFileSync(process.argv[3]));
const raw = pem.export({ type: "spki", format: "der" }).subarray(-32);
const kid = createHash("sha256").update(raw).digest().subarray(0, 8);
if (!kid.equals(header.subarray(5))) throw new Error("signed with another key");

const signed = Buffer.concat([
  Buffer.from([0x84, 0x6a]), Buffer.from("Signature1"), prefix(header.length), header,
  Buffer.from([0x40]), prefix(payload.length), payload,
]);
if (!verify(null, signed, pem, signature)) throw new Error("SIGNATURE WRONG");
console.log(createHash("sha256").update(payload).digest("hex"));
