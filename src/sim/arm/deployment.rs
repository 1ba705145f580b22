//! Deployments: templates whose resources are written one after the other, as `az network lb create` asks for.
//!
//! Incremental deployments into a resource group, with parameters, variables, `dependsOn`, `condition` and outputs. What a
//! template may have beyond that (loops, nested and linked templates, complete mode) is refused with its name.

use serde_json::{Map, Value, json};

use crate::sim::arm::authorization::Grants;
use crate::sim::arm::error::ArmError;
use crate::sim::arm::operation::{Status, Verb};
use crate::sim::arm::request::Request;
use crate::sim::arm::route::{ResourcePath, Route};
use crate::sim::arm::state::State;
use crate::sim::arm::store::{Resource, Store};
use crate::sim::arm::template::{Scope, invalid};
use crate::sim::arm::{Reply, access, view, write};
use crate::sim::fault::Failure;

/// A resource of a template, its expressions evaluated.
struct Step {
    path: ResourcePath,
    api_version: String,
    body: Value,
    depends_on: Vec<String>,
}

/// What is deployed.
struct Plan {
    template: Value,
    parameters: Map<String, Value>,
    variables: Map<String, Value>,
    location: String,
}

/// PUT: writes the resources and answers as an operation that ends as they did.
pub(crate) fn put(state: &mut State, request: &Request, path: &ResourcePath) -> Result<Reply, ArmError> {
    let path = state.store.canonical(path);
    write::place_exists(state, &path)?;
    write::not_busy(state, &path)?;
    let plan = Plan::of(state, request, &path)?;
    let steps = in_order(plan.steps(&path)?)?;
    let existed = state.store.exists(&path);
    let failure = steps.iter().find_map(|step| deploy(state, request, step).err());
    let outputs = if failure.is_none() { plan.outputs(state, &path, &steps)? } else { json!({}) };
    let body = json!({ "properties": {
        "mode": "Incremental",
        "parameters": plan.shown_parameters(),
        "outputs": outputs,
        "outputResources": steps.iter().map(|step| json!({ "id": step.path.id() })).collect::<Vec<_>>(),
        "correlationId": state.chance.guid("deployment"),
        "dependencies": [], "providers": [], "duration": "PT1S",
    } });
    let etag = state.next_etag(&path);
    state.store.put(Resource { path: path.clone(), etag, state: "Running".to_owned(), body });
    let started = state.begin_keyed(path.key(), Verb::Write, failure.map(|failure| failed(&failure)));
    let announce = |id: String| {
        let version = request.query.get("api-version").map_or("2024-11-01", String::as_str);
        let url = format!("{}{}/operationStatuses/{id}?api-version={version}", request.origin, path.id());
        vec![("Azure-AsyncOperation".to_owned(), url), ("x-ms-request-id".to_owned(), id), state.retry_after()]
    };
    let headers = started.map(announce).unwrap_or_default();
    let body = view::show(&state.store, &path).unwrap_or_default();
    Ok(Reply { status: if existed { 200 } else { 201 }, headers, body })
}

/// `validate`: everything but the writing.
pub(crate) fn act(state: &State, request: &Request, path: &ResourcePath, action: &str) -> Result<Reply, ArmError> {
    if action != "validate" {
        return Err(ArmError::not_found(&format!("{}/{action}", path.id())));
    }
    write::place_exists(state, path)?;
    let steps = in_order(Plan::of(state, request, path)?.steps(path)?)?;
    let resources: Vec<Value> = steps.iter().map(|step| json!({ "id": step.path.id() })).collect();
    Ok(Reply::ok(json!({
        "id": path.id(), "name": path.name(), "type": path.resource_type,
        "properties": { "mode": "Incremental", "provisioningState": "Succeeded", "validatedResources": resources },
    })))
}

impl Plan {
    fn of(state: &State, request: &Request, path: &ResourcePath) -> Result<Self, ArmError> {
        let properties = request.body.as_ref().map(|body| &body["properties"]).filter(|own| own.is_object());
        let properties = properties.ok_or_else(ArmError::body_is_not_an_object)?;
        if !properties["mode"].as_str().is_some_and(|mode| mode.eq_ignore_ascii_case("Incremental")) {
            return Err(invalid("the simulator deploys in mode Incremental only"));
        }
        let template = &properties["template"];
        if !template.is_object() {
            return Err(invalid("the simulator needs the template itself, not a link"));
        }
        let group = state.store.group(&path.subscription, &path.group);
        Ok(Self {
            template: template.clone(),
            parameters: parameters(&template["parameters"], &properties["parameters"])?,
            variables: template["variables"].as_object().cloned().unwrap_or_default(),
            location: group.map(|group| group.location.clone()).unwrap_or_default(),
        })
    }

    fn scope<'a>(&'a self, path: &'a ResourcePath, reference: &'a dyn Fn(&str) -> Option<Value>) -> Scope<'a> {
        Scope {
            subscription: &path.subscription,
            group: &path.group,
            location: &self.location,
            deployment: path.name(),
            parameters: &self.parameters,
            variables: &self.variables,
            reference,
        }
    }

    fn steps(&self, path: &ResourcePath) -> Result<Vec<Step>, ArmError> {
        let scope = self.scope(path, &|_| None);
        let mut steps = Vec::new();
        for resource in self.template["resources"].as_array().into_iter().flatten() {
            for refused in ["copy", "resources", "scope"] {
                if resource.get(refused).is_some_and(|value| value.as_array().is_none_or(|list| !list.is_empty())) {
                    return Err(invalid(format!("'{refused}' of a resource is not served by the simulator")));
                }
            }
            let resource = scope.evaluate(resource)?;
            if resource["condition"] != json!(false) {
                steps.push(step(resource, path)?);
            }
        }
        Ok(steps)
    }

    fn outputs(&self, state: &State, path: &ResourcePath, steps: &[Step]) -> Result<Value, ArmError> {
        let properties = |name: &str| {
            let step = steps.iter().find(|step| is_named(step, name))?;
            view::show(&state.store, &step.path).map(|shown| shown["properties"].clone())
        };
        let scope = self.scope(path, &properties);
        let mut outputs = Map::new();
        for (name, output) in self.template["outputs"].as_object().into_iter().flatten() {
            let kind = output["type"].as_str().map(capitalised).unwrap_or_default();
            outputs.insert(name.clone(), json!({ "type": kind, "value": scope.evaluate(&output["value"])? }));
        }
        Ok(Value::Object(outputs))
    }

    /// What was given, but for secrets.
    fn shown_parameters(&self) -> Value {
        let type_of = |name: &str| self.template["parameters"][name]["type"].as_str().unwrap_or_default();
        let is_open = |name: &str| !type_of(name).to_ascii_lowercase().starts_with("secure");
        let open = self.parameters.iter().filter(|(name, _)| is_open(name));
        let shown =
            open.map(|(name, value)| (name.clone(), json!({ "type": capitalised(type_of(name)), "value": value })));
        Value::Object(shown.collect())
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// The value of every declared parameter: what was given, or its default.
fn parameters(declared: &Value, given: &Value) -> Result<Map<String, Value>, ArmError> {
    let declared = declared.as_object().cloned().unwrap_or_default();
    let given = given.as_object().cloned().unwrap_or_default();
    if let Some(stranger) = given.keys().find(|name| !declared.contains_key(*name)) {
        return Err(invalid(format!("the template declares no parameter '{stranger}'")));
    }
    let value_of = |(name, declaration): (&String, &Value)| {
        let value = given.get(name).and_then(|given| given.get("value")).or(declaration.get("defaultValue"));
        let value = value.ok_or_else(|| invalid(format!("the parameter '{name}' has no value")))?;
        Ok((name.clone(), value.clone()))
    };
    declared.iter().map(value_of).collect()
}

fn step(mut resource: Value, deployment: &ResourcePath) -> Result<Step, ArmError> {
    let text = |field: &str| resource[field].as_str().unwrap_or_default().to_owned();
    let (kind, name, api_version) = (text("type"), text("name"), text("apiVersion"));
    let mut types = kind.split('/');
    let namespace = types.next().unwrap_or_default();
    let pairs: Vec<String> = types.zip(name.split('/')).map(|(kind, name)| format!("{kind}/{name}")).collect();
    let id = format!(
        "/subscriptions/{}/resourceGroups/{}/providers/{namespace}/{}",
        deployment.subscription,
        deployment.group,
        pairs.join("/")
    );
    let path = ResourcePath::parse(&id).filter(|path| path.resource_type != deployment.resource_type);
    let path =
        path.ok_or_else(|| invalid(format!("the resource type '{kind}' cannot be deployed by the simulator")))?;
    let depends_on = resource["dependsOn"].as_array().into_iter().flatten();
    let depends_on = depends_on.filter_map(|own| own.as_str().map(str::to_owned)).collect();
    let about_the_template = ["type", "name", "apiVersion", "dependsOn", "condition", "comments"];
    if let Some(fields) = resource.as_object_mut() {
        fields.retain(|field, _| !about_the_template.contains(&field.as_str()));
    }
    Ok(Step { path, api_version, body: resource, depends_on })
}

/// A dependency is named by id, by type and name, or by name alone.
fn is_named(step: &Step, name: &str) -> bool {
    let id = step.path.id();
    let short = id.split("/providers/").nth(1).unwrap_or_default();
    [id.as_str(), short, step.path.name()].iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// Sorts the resources so that each comes after those it depends on. What is not in the template is there already.
fn in_order(mut waiting: Vec<Step>) -> Result<Vec<Step>, ArmError> {
    let mut sorted: Vec<Step> = Vec::new();
    while !waiting.is_empty() {
        let waits_for = |name: &String| waiting.iter().any(|other| is_named(other, name));
        let Some(next) = waiting.iter().position(|step| !step.depends_on.iter().any(waits_for)) else {
            return Err(invalid("the resources depend on each other in a circle"));
        };
        sorted.push(waiting.remove(next));
    }
    Ok(sorted)
}

/// Writes one resource in the caller's name and waits for its operation.
fn deploy(state: &mut State, request: &Request, step: &Step) -> Result<(), ArmError> {
    let mut query = request.query.clone();
    query.insert("api-version".to_owned(), step.api_version.clone());
    let inner = Request {
        path: step.path.id(),
        query,
        headers: Default::default(),
        body: Some(step.body.clone()),
        ..request.clone()
    };
    let grants = Grants::of(&state.authorization, &request.caller);
    access::check(state, &inner, &Route::Resource(step.path.clone()), &grants)?;
    write::put(state, &inner, &step.path)?;
    let holder = Store::holder_path(&step.path).key();
    let Some(id) = state.operations.running_id(&holder).cloned() else { return Ok(()) };
    state.finish(&id);
    match state.status_of(&id) {
        Some((Status::Failed | Status::Canceled, Some(failure))) => Err(failure),
        _ => Ok(()),
    }
}

/// How a deployment says that a resource failed: Azure's outer code, and the inner error in the message.
fn failed(failure: &ArmError) -> Failure {
    let inner = json!({ "error": failure.body() });
    let message = format!("At least one resource of the deployment failed: {inner}");
    let error = ArmError::new(failure.status, "DeploymentFailed", message);
    Failure { error, is_cancel: false, polls: None }
}
