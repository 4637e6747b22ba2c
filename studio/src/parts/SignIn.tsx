import { useState, type ReactNode } from "react";
import { api } from "../api.ts";
import { SecretInput } from "./SecretInput.tsx";

/** Asks for a token; it is exchanged for a cookie that no script can read, and kept nowhere. */
export function SignIn({ reason, done }: { reason: string; done: () => void }): ReactNode {
  const [token, setToken] = useState("");
  const [wrong, setWrong] = useState("");
  return (
    <main className="sign-in">
      <h1>Kosha Studio</h1>
      <p>{reason}</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          api.signIn({ token }).then(() => (setToken(""), done()), (error: Error) => setWrong(error.message));
        }}
      >
        <label htmlFor="token">Token of this service</label>
        <SecretInput id="token" onChange={setToken} />
        <button type="submit" className="primary" disabled={!token}>Sign in</button>
        {wrong && <p className="fault" role="alert">{wrong}</p>}
      </form>
    </main>
  );
}
