// The editor's side of the nodes: a field of each input, with a value or where it comes from.
(function () {
    "use strict";
    const data = DATA;
    const NONE = { value: "none", label: "not sent", hasValue: false };
    const FROM = ["msg", "flow", "global", "env", "jsonata"];
    const OWN = { string: "str", integer: "num", number: "num", boolean: "bool", array: "json", object: "json" };

    function types(field) {
        const own = field.choices
            ? [{ value: "choice", label: "choice", options: field.choices.map((each) => ({ value: each, label: each })) }, "str"]
            : [field.file ? "msg" : OWN[field.type] || "json", ...(field.file ? ["str"] : [])];
        return [...(field.required ? [] : [NONE]), ...own, ...FROM.filter((each) => !own.includes(each))];
    }

    RED.nodes.registerType(data.gateway, {
        category: "config",
        defaults: { name: { value: "" }, url: { value: "http://127.0.0.1:8010", required: true } },
        credentials: { token: { type: "password" } },
        label: function () {
            return this.name || this.url || "gateway";
        },
    });

    for (const definition of data.nodes) {
        const defaults = { name: { value: "" }, gateway: { value: "", type: data.gateway, required: true } };
        const fields = [...definition.fields, { name: "", type: "object" }];
        if (definition.kind === "any") {
            defaults.action = { value: "", required: true };
        }
        for (const field of definition.fields) {
            defaults[`f_${field.name}`] = { value: field.value };
            defaults[`f_${field.name}_type`] = { value: field.from };
        }
        defaults.more = { value: "" };
        defaults.more_type = { value: "none" };
        RED.nodes.registerType(definition.type, {
            category: data.category,
            color: data.color,
            defaults,
            inputs: 1,
            outputs: definition.streams || definition.kind === "any" ? 2 : 1,
            outputLabels: ["the answer", "each event of a stream"],
            icon: "font-awesome/fa-comment-o",
            paletteLabel: definition.title,
            label: function () {
                return this.name || definition.title;
            },
            labelStyle: function () {
                return this.name ? "node_label_italic" : "";
            },
            oneditprepare: function () {
                for (const field of fields) {
                    const id = field.name ? `f_${field.name}` : "more";
                    $(`#node-input-${id}`).typedInput({ types: types(field), typeField: `#node-input-${id}_type` });
                }
            },
        });
    }
})();
