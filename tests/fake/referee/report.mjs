// What a referee has found: a line of JSON a check, {"check": name, "ok": bool, "detail": …}.

export async function check(name, run) {
  try {
    const detail = await run();
    console.log(JSON.stringify({check: name, ok: true, detail: detail ?? null}));
  } catch (error) {
    console.log(JSON.stringify({check: name, ok: false, detail: `${error?.constructor?.name}: ${error?.message}`}));
  }
}

export function assert(condition, what) {
  if (!condition) throw new Error(what);
}
