// One form, drawn by react-jsonschema-form from what the connector gives for it: page.html?form=<action id>. The faults that it shows are
// those of the connector's own check, at their fields: a validator of the library's would report every branch of every alternative.
import { useState } from "react";
import { createRoot } from "react-dom/client";
import Form from "@rjsf/core";
import { customizeValidator } from "@rjsf/validator-ajv8";
import Ajv2020 from "ajv/dist/2020.js";

const validator = customizeValidator({ AjvClass: Ajv2020 });
const GROUPS = { main: "Main", options: "Options", advanced: "Advanced" };

// The root's fields by group; nested objects as a plain list.
function Fields({ fieldPathId, title, description, properties, uiSchema, schema, onAddProperty, registry, ...rest }) {
  const { ButtonTemplates: { AddButton }, DescriptionFieldTemplate: Description } = registry.templates;
  const add = schema.additionalProperties && (
    <AddButton id={`${fieldPathId.$id}__add`} onClick={onAddProperty} disabled={rest.disabled} registry={registry} />
  );
  if (fieldPathId.$id !== "root") {
    return (
      <fieldset id={fieldPathId.$id}>
        {title && <legend>{title}</legend>}
        {description && <Description id={`${fieldPathId.$id}__description`} {...{ description, schema, uiSchema, registry }} />}
        {properties.map((p) => p.content)}
        {add}
      </fieldset>
    );
  }
  const group = (p) => uiSchema?.[p.name]?.["ui:options"]?.group ?? "advanced";
  return (
    <div>
      <h1>{title}</h1>
      <p>{schema.description}</p>
      {Object.entries(GROUPS).map(([key, label]) => {
        const found = properties.filter((p) => group(p) === key);
        return found.length === 0 ? null : (
          <details key={key} open={key === "main"} data-group={key}>
            <summary>{label}</summary>
            {found.map((p) => p.content)}
          </details>
        );
      })}
    </div>
  );
}

const id = new URLSearchParams(location.search).get("form");
const { schema, uiSchema } = await (await fetch(`forms/${id}.json`)).json();

// Faults by JSON Pointer as rjsf wants them: nested by field.
const nested = (faults) => {
  const errors = {};
  for (const { pointer, message, fix } of faults) {
    let place = errors;
    for (const name of pointer.split("/").slice(1)) place = place[name.replaceAll("~1", "/").replaceAll("~0", "~")] ??= {};
    (place.__errors ??= []).push(`${message} ${fix}`.trim());
  }
  return errors;
};

function Page() {
  const [errors, setErrors] = useState({});
  const check = async ({ formData }) => {
    const asked = { method: "POST", body: JSON.stringify({ inputs: formData }) };
    const { faults } = await (await fetch(`validate/${id}`, asked)).json();
    setErrors(nested(faults));
    if (faults.length > 0) window.refused = faults.map((fault) => `${fault.pointer} ${fault.message}`);
    else window.submitted = formData;
  };
  return (
    <Form
      schema={schema}
      uiSchema={uiSchema}
      validator={validator}
      templates={{ ObjectFieldTemplate: Fields }}
      experimental_defaultFormStateBehavior={{ emptyObjectFields: "populateRequiredDefaults" }}
      omitExtraData
      noValidate
      noHtml5Validate
      extraErrors={errors}
      showErrorList={false}
      focusOnFirstError={false}
      onSubmit={check}
    />
  );
}

createRoot(document.getElementById("form")).render(<Page />);
