/** A certificate for one run, which clients are told to trust: ECDSA P-256, as public servers have it. */

import { join } from "node:path";
import { run } from "./child.mjs";

/**
 * @param {string} folder
 * @returns {Promise<{ certificate: string, key: string }>} Their files.
 */
export async function makeCertificate(folder) {
  const files = { certificate: join(folder, "certificate.pem"), key: join(folder, "key.pem") };
  const { code, stderr } = await run("openssl", [
    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=fanwave.test",
    "-addext", "subjectAltName=DNS:fanwave.test,DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", files.key, "-out", files.certificate,
  ], { deadlineMs: 10_000 });
  if (code !== 0) throw new Error(`openssl made no certificate: ${stderr}`);
  return files;
}
