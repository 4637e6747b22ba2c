// The nodes of nodes.json: each calls the gateway that its configuration node names, and keeps no key.
"use strict";

const data = require("./nodes.json");

module.exports = function (RED) {
    function Gateway(config) {
        RED.nodes.createNode(this, config);
        this.url = String(config.url || "").trim().replace(/\/+$/, "");
    }
    RED.nodes.registerType(data.gateway, Gateway, { credentials: { token: { type: "password" } } });

    for (const definition of data.nodes) {
        RED.nodes.registerType(definition.type, function (config) {
            RED.nodes.createNode(this, config);
            const node = this;
            const running = new Set();
            node.on("input", async (msg, send, done) => {
                const stop = new AbortController();
                running.add(stop);
                node.status({ fill: "blue", shape: "dot", text: "running" });
                try {
                    const gateway = RED.nodes.getNode(config.gateway);
                    if (!gateway || !gateway.url) {
                        throw new Error("Choose a gateway in the node's settings.");
                    }
                    const target = definition.kind === "any" ? String(config.action || "") : definition.target;
                    const inputs = await gathered(RED, node, definition, config, msg);
                    const streams = Boolean(definition.streams && inputs.stream === true);
                    const each = (event) => {
                        const copy = RED.util.cloneMessage(msg);
                        copy.payload = event.text || event.data;
                        copy.kosha = { event };
                        send([null, copy]);
                    };
                    const answer = await run(gateway, definition.kind, target, inputs, streams ? each : null, stop.signal);
                    const files = await fetched(gateway, answer, stop.signal);
                    const out = RED.util.cloneMessage(msg);
                    out.payload = payloadOf(definition.kind, answer, files);
                    out.kosha = answer;
                    if (files.length) {
                        out.files = files;
                    }
                    node.status({ fill: "green", shape: "dot", text: told(answer) });
                    send([out, null]);
                    done();
                } catch (error) {
                    if (stop.signal.aborted) {
                        node.status({});
                        done();
                        return;
                    }
                    node.status({ fill: "red", shape: "ring", text: String(error.message).slice(0, 60) });
                    done(error); // with the message as it came: a catch node gets both
                } finally {
                    running.delete(stop);
                }
            });
            node.on("close", () => {
                for (const stop of running) {
                    stop.abort();
                }
                running.clear();
            });
        });
    }
};

/** The inputs: the fields that are filled in, then those of "more", then those of msg.inputs. */
async function gathered(RED, node, definition, config, msg) {
    const inputs = {};
    for (const field of definition.fields) {
        const value = await evaluated(RED, node, config[`f_${field.name}`], config[`f_${field.name}_type`], msg);
        if (value !== undefined && value !== null && value !== "") {
            // A number of a message, such as a time, is a text where a text is asked for.
            inputs[field.name] = field.type === "string" && typeof value === "number" ? String(value) : value;
        }
    }
    const more = await evaluated(RED, node, config.more, config.more_type, msg);
    for (const given of [more, msg.inputs]) {
        if (given && typeof given === "object" && !Array.isArray(given) && !Buffer.isBuffer(given)) {
            Object.assign(inputs, given);
        }
    }
    return plain(inputs, msg);
}

function evaluated(RED, node, value, type, msg) {
    if (type === "none" || value === undefined || value === "") {
        return Promise.resolve(undefined);
    }
    if (type === "choice") {
        return Promise.resolve(value);
    }
    return new Promise((resolve, reject) => {
        RED.util.evaluateNodeProperty(value, type || "str", node, msg, (error, result) => (error ? reject(error) : resolve(result)));
    });
}

/** Buffers as files. */
function plain(value, msg) {
    if (Buffer.isBuffer(value)) {
        const file = { base64: value.toString("base64"), filename: msg.filename ? String(msg.filename).split(/[\\/]/).pop() : "file" };
        return msg.contentType ? { ...file, content_type: String(msg.contentType) } : file;
    }
    if (Array.isArray(value)) {
        return value.map((each) => plain(each, msg));
    }
    if (value && typeof value === "object") {
        return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each, msg)]));
    }
    return value;
}

function headers(gateway, more) {
    const token = gateway.credentials && gateway.credentials.token;
    return { ...more, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
}

async function run(gateway, kind, target, inputs, each, signal) {
    const place = kind === "task" ? "tasks" : "actions";
    const body = kind === "task" ? { inputs } : { inputs, result: true };
    let response;
    try {
        response = await fetch(`${gateway.url}/kosha/v1/${place}/${encodeURIComponent(target)}/run`, {
            method: "POST",
            headers: headers(gateway, { "Content-Type": "application/json", Accept: each ? "text/event-stream" : "application/json" }),
            body: JSON.stringify(body),
            redirect: "error",
            signal,
        });
    } catch (error) {
        throw new Error(`The gateway cannot be reached: ${(error.cause && error.cause.code) || error.message}`);
    }
    const type = response.headers.get("content-type") || "";
    if (each && response.ok && type.startsWith("text/event-stream")) {
        return streamed(response, each);
    }
    let answer;
    try {
        answer = await response.json();
    } catch {
        throw new Error(`The gateway answered ${response.status} with something that is no JSON.`);
    }
    if (!response.ok) {
        throw failure(answer, response.status);
    }
    return answer;
}

/** The answer of a stream; every event on the way is given to `each`. */
async function streamed(response, each) {
    const decoder = new TextDecoder();
    let text = "";
    let answer;
    for await (const chunk of response.body) {
        text += decoder.decode(chunk, { stream: true });
        for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
            const lines = text.slice(0, end).split("\n");
            text = text.slice(end + 2);
            const name = (lines.find((line) => line.startsWith("event: ")) || "").slice(7);
            const value = lines.filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n");
            if (!name || !value) {
                continue;
            }
            const parsed = JSON.parse(value);
            if (name === "error") {
                throw failure(parsed, 502);
            }
            if (name === "result") {
                answer = parsed;
            } else if (name === "event") {
                each(parsed);
            }
        }
    }
    if (!answer) {
        throw new Error("The answer ended before its end.");
    }
    return answer;
}

function failure(answer, status) {
    const told = (answer && answer.error) || {};
    const error = new Error((typeof told === "string" ? told : told.message) || `The gateway answered ${status}.`);
    error.status = status;
    error.code = told.code;
    error.faults = (told.detail && told.detail.faults) || [];
    return error;
}

/** The files of an answer as buffers. */
async function fetched(gateway, answer, signal) {
    const files = [];
    for (const file of answer.files || []) {
        if (!file.href) {
            continue;
        }
        const response = await fetch(gateway.url + file.href, { headers: headers(gateway, {}), redirect: "error", signal });
        if (!response.ok) {
            throw new Error(`A file of the answer cannot be fetched: ${response.status}.`);
        }
        files.push({ name: file.name || "file", contentType: file.content_type, data: Buffer.from(await response.arrayBuffer()) });
    }
    return files;
}

function payloadOf(kind, answer, files) {
    if (kind === "task") {
        return answer.value;
    }
    const short = (answer.result && answer.result.result) || {};
    if (typeof short.text === "string" && short.text !== "") {
        return short.text;
    }
    return files.length ? files[0].data : short;
}

function told(answer) {
    const usage = (answer.result && answer.result.usage) || answer.usage || {};
    const total = usage.total === undefined ? usage.total_tokens : usage.total;
    return total ? `${total} tokens` : "done";
}
