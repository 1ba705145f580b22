"""The Kubernetes API, by kubectl as people use it and by bare requests as controllers send them."""

import json
import signal
import time

import requests
from simulator import eventually

ANNOTATION = "service.beta.kubernetes.io/azure-load-balancer-internal"


def service(name="web", **spec):
    body = {"ports": [{"port": 80}], "selector": {"app": name}, **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": body}


class Bare:
    """Bare requests with the token of the kubeconfig."""

    def __init__(self, simulator, kubectl):
        view = kubectl.json("config", "view", "--raw")
        self.server = view["clusters"][0]["cluster"]["server"]
        self.session = requests.Session()
        self.session.verify = str(simulator.ca)
        self.session.headers["Authorization"] = f"Bearer {view['users'][0]['user']['token']}"

    def __call__(self, method, path, body=None, content_type="application/json", **options):
        data = body if isinstance(body, (str, type(None))) else json.dumps(body)
        headers = {"Content-Type": content_type, **options.pop("headers", {})}
        return self.session.request(method, self.server + path, data=data, headers=headers, timeout=20, **options)

    def events(self, path, count):
        """The first lines of a watch."""
        with self(method="GET", path=path, stream=True) as answer:
            lines = answer.iter_lines()
            return [json.loads(next(lines)) for _ in range(count)]


def run(checks, simulator, kubectl):
    bare = Bare(simulator, kubectl)
    for title, suite in {
        "discovery": lambda: _discovery(checks, kubectl, bare),
        "explain": lambda: _explain(checks, kubectl),
        "typed commands": lambda: _typed(checks, kubectl),
        "tables": lambda: _tables(checks, kubectl),
        "apply": lambda: _apply(checks, kubectl),
        "server-side apply": lambda: _server_side(checks, kubectl),
        "patches": lambda: _patches(checks, kubectl, bare),
        "validation": lambda: _validation(checks, kubectl),
        "types of Services": lambda: _types(checks, kubectl),
        "deletion": lambda: _deletion(checks, kubectl, bare),
        "lists": lambda: _lists(checks, kubectl, bare),
        "watches": lambda: _watches(checks, kubectl, bare),
        "what the cloud-controller-manager calls": lambda: _controller(checks, bare),
        "media types": lambda: _media(checks, bare),
    }.items():
        with checks.suite(f"cluster: {title}"):
            suite()


def _discovery(checks, kubectl, bare):
    checks.has("the version is the world's", kubectl("version"), "Server Version: v1.36.2")
    resources = kubectl("api-resources", "--no-headers")
    rows = {(line.split()[0], line.split()[-1]) for line in resources.splitlines()}
    expected = {("configmaps", "ConfigMap"), ("endpoints", "Endpoints"), ("events", "Event"), ("namespaces", "Namespace"),
                ("nodes", "Node"), ("services", "Service"), ("leases", "Lease"), ("endpointslices", "EndpointSlice")}
    checks.that("all kinds are discovered", expected <= rows, rows)
    accept = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"}
    answer = bare("GET", "/apis", headers=accept)
    checks.has("aggregated discovery has a media type of its own", answer.headers["Content-Type"], "as=APIGroupDiscoveryList")
    names = [item["metadata"]["name"] for item in answer.json()["items"]]
    checks.that("and all groups", {"coordination.k8s.io", "discovery.k8s.io", "events.k8s.io", "authentication.k8s.io"} <= set(names), names)
    core = bare("GET", "/api", headers=accept).json()["items"][0]["versions"][0]["resources"]
    own = next(item for item in core if item["resource"] == "services")
    checks.equal("with subresources", [sub["subresource"] for sub in own["subresources"]], ["status"])
    plain = bare("GET", "/apis").json()
    checks.equal("who asks for the old form gets it", plain["kind"], "APIGroupList")
    checks.equal("health is plain text", bare("GET", "/healthz").text, "ok")
    denied = bare("GET", "/api/v1/services", headers={"Authorization": "Bearer wrong"})
    checks.equal("a wrong token is refused", (denied.status_code, denied.json()["reason"]), (401, "Unauthorized"))
    unknown = kubectl.run("get", "deployments")[2]
    checks.has("a kind that is not there is told so", unknown, "the server doesn't have a resource type \"deployments\"")


def _explain(checks, kubectl):
    text = kubectl("explain", "service.spec")
    checks.has("explain knows the fields of a Service", text, "KIND:       Service", "externalTrafficPolicy\t<string>", "ports\t<[]ServicePort>")
    checks.has("down to a leaf", kubectl("explain", "service.spec.ports.targetPort"), "FIELD: targetPort <IntOrString>")
    checks.has("of other groups", kubectl("explain", "lease.spec"), "GROUP:      coordination.k8s.io", "holderIdentity\t<string>")
    checks.has("and all at once", kubectl("explain", "node", "--recursive"), "kubeletVersion", "providerID")
    checks.has("a field that is not there is told so", kubectl.run("explain", "service.spec.prots")[2], 'field "prots" does not exist')


def _typed(checks, kubectl):
    checks.has("create namespace", kubectl("create", "namespace", "shop"), "namespace/shop created")
    checks.has("create configmap", kubectl("create", "configmap", "settings", "--from-literal=a=b", "-n", "shop"), "configmap/settings created")
    checks.equal("its data is there", kubectl("get", "cm", "settings", "-n", "shop", "-o", "jsonpath={.data}"), '{"a":"b"}')
    shown = kubectl("create", "service", "loadbalancer", "typed", "--tcp=80:http", "--dry-run=server", "-o", "json")
    spec = json.loads(shown)["spec"]
    checks.equal("a dry run shows defaults", (spec["ports"][0]["targetPort"], spec["ports"][0]["protocol"], spec["externalTrafficPolicy"]), ("http", "TCP", "Cluster"))
    checks.equal("and writes nothing", kubectl.run("get", "svc", "typed")[0], 1)
    kubectl("create", "service", "clusterip", "typed", "--tcp=80:8080")
    kubectl("label", "svc", "typed", "tier=front")
    kubectl("annotate", "svc", "typed", "note=x")
    own = kubectl.json("get", "svc", "typed")["metadata"]
    checks.equal("label and annotate", (own["labels"]["tier"], own["annotations"]["note"]), ("front", "x"))
    kubectl("expose", "svc", "typed", "--name=exposed", "--port=90", "--target-port=8080")
    checks.equal("expose takes the selector along", kubectl.json("get", "svc", "exposed")["spec"]["selector"], {"app": "typed"})
    kubectl("set", "selector", "svc", "exposed", "app=other")
    checks.equal("set selector replaces it", kubectl.json("get", "svc", "exposed")["spec"]["selector"], {"app": "other"})
    checks.has("auth whoami", kubectl("auth", "whoami"), "Username", "system:masters")
    checks.equal("auth can-i", kubectl("auth", "can-i", "create", "services").strip(), "yes")
    checks.has("auth can-i --list", kubectl("auth", "can-i", "--list"), "*.*")
    checks.has("describe", kubectl("describe", "svc", "typed"), "tier=front", "TargetPort:")
    node = kubectl.json("get", "nodes")["items"][0]["metadata"]["name"]
    kubectl("taint", "node", node, "k=v:NoSchedule")
    kubectl("cordon", node)
    row = kubectl("get", "node", node, "--no-headers").split()
    checks.equal("cordon shows", row[1], "Ready,SchedulingDisabled")
    kubectl("uncordon", node)
    kubectl("taint", "node", node, "k-")
    spec = kubectl.json("get", "node", node)["spec"]
    checks.that("and both can be undone", not spec.get("taints") and not spec.get("unschedulable"), spec)
    replaced = json.dumps({**service("typed"), "spec": {"ports": [{"port": 81}]}})
    kubectl("replace", "-f", "-", stdin=replaced)
    checks.equal("replace keeps the cluster address", kubectl.json("get", "svc", "typed")["spec"]["ports"][0]["port"], 81)
    code, _, errors = kubectl.run("create", "-f", "-", stdin=json.dumps(service("typed")))
    checks.has("create refuses what is there", errors, '(AlreadyExists)', 'services "typed" already exists')
    kubectl("delete", "svc", "typed", "exposed")
    checks.has("delete namespace waits for its end", kubectl("delete", "ns", "shop"), 'namespace "shop" deleted')
    checks.equal("and takes what was in it along", kubectl.run("get", "cm", "settings", "-n", "shop")[0], 1)
    code, _, errors = kubectl.run("create", "-f", "-", stdin=json.dumps(service("lost") | {"metadata": {"name": "lost", "namespace": "nowhere"}}))
    checks.has("nothing is made in a namespace that is not there", errors, 'namespaces "nowhere" not found')


def _tables(checks, kubectl):
    header = lambda *arguments: kubectl("get", *arguments).splitlines()[0].split()
    checks.equal("nodes", header("nodes"), ["NAME", "STATUS", "ROLES", "AGE", "VERSION"])
    checks.equal("nodes -o wide", header("nodes", "-o", "wide"), [
        "NAME", "STATUS", "ROLES", "AGE", "VERSION", "INTERNAL-IP", "EXTERNAL-IP", "OS-IMAGE", "KERNEL-VERSION", "CONTAINER-RUNTIME"])
    checks.equal("namespaces", header("ns"), ["NAME", "STATUS", "AGE"])
    checks.equal("configmaps", header("cm", "-n", "kube-system"), ["NAME", "DATA", "AGE"])
    checks.equal("services -o wide", header("svc", "-o", "wide"), ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE", "SELECTOR"])
    checks.has("the service of the API itself", kubectl("get", "svc", "kubernetes"), "10.0.0.1", "443/TCP")
    kubectl("apply", "-f", "-", stdin=json.dumps({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "slice"}, "addressType": "IPv4",
        "ports": [{"port": 80}], "endpoints": [{"addresses": ["10.1.0.5"]}]}))
    row = kubectl("get", "endpointslices").splitlines()
    checks.equal("endpointslices", (row[0].split(), row[1].split()[1:4]), (["NAME", "ADDRESSTYPE", "PORTS", "ENDPOINTS", "AGE"], ["IPv4", "80", "10.1.0.5"]))
    kubectl("delete", "endpointslice", "slice")
    checks.equal("sorted by a field", kubectl("get", "ns", "--sort-by=.metadata.name", "-o", "name").split()[0], "namespace/default")
    checks.equal("custom columns", kubectl("get", "svc", "kubernetes", "-o", "custom-columns=N:.metadata.name", "--no-headers").strip(), "kubernetes")


def _apply(checks, kubectl):
    manifest = service("applied")
    checks.has("apply makes", kubectl("apply", "-f", "-", stdin=json.dumps(manifest)), "service/applied created")
    before = kubectl.json("get", "svc", "applied")
    checks.has("the same again changes nothing", kubectl("apply", "-f", "-", stdin=json.dumps(manifest)), "service/applied unchanged")
    checks.equal("so that the version stays", kubectl.json("get", "svc", "applied")["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"])
    checks.equal("diff says nothing", kubectl.run("diff", "-f", "-", stdin=json.dumps(manifest))[:2], (0, ""))
    manifest["spec"]["ports"] = [{"port": 443, "name": "https"}, {"port": 80, "name": "http"}]
    manifest["metadata"]["labels"] = {"a": "b"}
    code, out, _ = kubectl.run("diff", "-f", "-", stdin=json.dumps(manifest))
    checks.that("diff shows the change", code == 1 and "+  - name: https" in out and "+    a: b" in out, out)
    kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    after = kubectl.json("get", "svc", "applied")
    checks.equal("apply merges ports in the manifest's order", [port["port"] for port in after["spec"]["ports"]], [443, 80])
    checks.equal("and keeps the cluster address", after["spec"]["clusterIP"], before["spec"]["clusterIP"])
    del manifest["spec"]["ports"][0]
    del manifest["metadata"]["labels"]
    kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    after = kubectl.json("get", "svc", "applied")
    checks.equal("what left the manifest leaves the object", ([port["port"] for port in after["spec"]["ports"]], after["metadata"].get("labels")), ([80], None))
    out = kubectl("apply", "-f", "-", "--dry-run=server", stdin=json.dumps(service("applied", type="NodePort")))
    checks.has("a dry run of apply", out, "configured (server dry run)")
    checks.equal("writes nothing", kubectl.json("get", "svc", "applied")["spec"]["type"], "ClusterIP")
    wrong = service("applied") | {"spec": {"ports": [{"port": 80}], "prots": []}}
    code, _, errors = kubectl.run("apply", "-f", "-", stdin=json.dumps(wrong))
    checks.has("an unknown field is refused", errors, "(BadRequest)", 'strict decoding error: unknown field "spec.prots"')
    code, _, errors = kubectl.run("apply", "-f", "-", "--validate=warn", stdin=json.dumps(wrong))
    checks.that("or only warned of", code == 0 and 'Warning: unknown field "spec.prots"' in errors, errors)
    wrong["spec"]["ports"] = [{"port": "eighty"}]
    code, _, errors = kubectl.run("apply", "-f", "-", stdin=json.dumps(wrong))
    checks.that("a wrong type is refused", code == 1 and "port" in errors, errors)
    edited = kubectl.run("edit", "svc", "applied", env={"KUBE_EDITOR": "sed -i 's/- port: 80/- port: 82/'"})
    checks.has("edit", "".join(edited[1:]), "service/applied edited")
    kubectl("delete", "svc", "applied")


def _server_side(checks, kubectl):
    manifest = service("ssa")
    apply = lambda *more, manager="one", body=None: kubectl.run(
        "apply", "--server-side", f"--field-manager={manager}", "-f", "-", *more, stdin=json.dumps(body or manifest))
    checks.has("it makes", apply()[1], "service/ssa serverside-applied")
    fields = [entry for entry in kubectl.json("get", "svc", "ssa", "--show-managed-fields")["metadata"]["managedFields"] if entry["manager"] == "one"]
    checks.equal("the manager owns what it applied", fields[0]["fieldsV1"]["f:spec"]["f:ports"], {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}})
    changed = json.loads(json.dumps(manifest))
    changed["spec"]["selector"] = {"app": "other"}
    code, _, errors = apply(manager="two", body=changed)
    checks.that("another manager's change is a conflict", code == 1 and 'conflict with "one": .spec.selector' in errors, errors)
    checks.equal("unless it forces", apply("--force-conflicts", manager="two", body=changed)[0], 0)
    code, _, errors = apply()
    checks.has("then the first one meets it", errors, 'conflict with "two": .spec.selector')
    without = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "ssa"}, "spec": {"ports": [{"port": 80}]}}
    apply(body=without)
    checks.equal("what others own stays when one lets go", kubectl.json("get", "svc", "ssa")["spec"]["selector"], {"app": "other"})
    code, out, _ = kubectl.run("diff", "--server-side", "--field-manager=two", "--force-conflicts", "-f", "-", stdin=json.dumps(service("ssa", type="NodePort")))
    checks.that("diff works on the server's side, too", code == 1 and "+  type: NodePort" in out, out)
    kubectl("delete", "svc", "ssa")


def _patches(checks, kubectl, bare):
    kubectl("apply", "-f", "-", stdin=json.dumps(service("patched")))
    patch = lambda kind, body: kubectl.run("patch", "svc", "patched", f"--type={kind}", "-p", json.dumps(body))
    patch("json", [{"op": "add", "path": "/metadata/labels", "value": {"a/b": "1"}}, {"op": "test", "path": "/metadata/labels/a~1b", "value": "1"}])
    checks.equal("a JSON patch", kubectl.json("get", "svc", "patched")["metadata"]["labels"], {"a/b": "1"})
    patch("merge", {"metadata": {"labels": {"a/b": None, "c": "2"}}})
    checks.equal("a merge patch", kubectl.json("get", "svc", "patched")["metadata"]["labels"], {"c": "2"})
    patch("strategic", {"spec": {"ports": [{"port": 80, "name": "http"}, {"port": 81, "name": "more"}]}})
    checks.equal("a strategic patch merges lists by key", [port["port"] for port in kubectl.json("get", "svc", "patched")["spec"]["ports"]], [80, 81])
    patch("strategic", {"spec": {"ports": [{"port": 81, "$patch": "delete"}]}})
    checks.equal("and deletes by directive", [port["port"] for port in kubectl.json("get", "svc", "patched")["spec"]["ports"]], [80])
    code, _, errors = patch("json", [{"op": "test", "path": "/spec/type", "value": "NodePort"}])
    checks.that("a test that fails refuses the patch", code == 1, errors)
    path = "/api/v1/namespaces/default/services/patched"
    old = bare("GET", path).json()
    bare("PATCH", path, {"metadata": {"labels": {"d": "3"}}}, "application/merge-patch+json")
    stale = bare("PUT", path, old)
    checks.equal("an old version is a conflict", (stale.status_code, stale.json()["reason"]), (409, "Conflict"))
    checks.has("said in the server's words", stale.json()["message"], 'Operation cannot be fulfilled on services "patched": the object has been modified; please apply your changes to the latest version and try again')
    status = bare("PATCH", path, {"status": {"loadBalancer": {"ingress": [{"ip": "10.9.9.9"}]}}}, "application/merge-patch+json").json()
    checks.equal("the status is not written through the object", status["status"], {"loadBalancer": {}})
    wrong = bare("PATCH", path, {}, "text/plain")
    checks.equal("an unknown patch type is refused", wrong.status_code, 415)
    kubectl("delete", "svc", "patched")


def _validation(checks, kubectl):
    def refused(name, body, *parts):
        code, _, errors = kubectl.run("create", "--validate=false", "-f", "-", stdin=json.dumps(body))
        checks.has(name, errors if code == 1 else f"accepted: {errors}", "is invalid", *parts)
    refused("a name that is no label", service("1web"), 'The Service "1web" is invalid: metadata.name: Invalid value: "1web": a DNS-1035 label must consist of lower case alphanumeric characters or \'-\', start with an alphabetic character, and end with an alphanumeric character (e.g. \'my-name\',  or \'abc-123\', regex used for validation is \'[a-z]([-a-z0-9]*[a-z0-9])?\')')
    refused("no ports", service("v", ports=[]), 'The Service "v" is invalid: spec.ports: Required value')
    refused("a port beyond the range", service("v", ports=[{"port": 70000}]), "spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive")
    refused("two ports without names", service("v", ports=[{"port": 80}, {"port": 81}]), "spec.ports[0].name: Required value", "spec.ports[1].name: Required value")
    refused("a name twice", service("v", ports=[{"port": 80, "name": "a"}, {"port": 81, "name": "a"}]), 'spec.ports[1].name: Duplicate value: "a"')
    refused("an unknown type", service("v", type="Cloud"), 'spec.type: Unsupported value: "Cloud": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"')
    refused("a node port out of range", service("v", type="NodePort", ports=[{"port": 80, "nodePort": 80}]), "provided port is not in the valid range. The range of valid ports is 30000-32767")
    refused("a policy that does not fit the type", service("v", externalTrafficPolicy="Local"), 'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services')
    refused("a bad source range", service("v", type="LoadBalancer", loadBalancerSourceRanges=["10.0.0.0/99"]), "spec.loadBalancerSourceRanges")
    refused("a bad label", service("v") | {"metadata": {"name": "v", "labels": {"a": "b c"}}}, "metadata.labels: Invalid value: \"b c\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')")
    code, _, errors = kubectl.run("create", "-f", "-", stdin=json.dumps(service("v") | {"metadata": {"name": "v", "annotations": {"a": True}}}))
    checks.that("an annotation that is no string", code == 1 and "annotations" in errors, errors)
    kubectl("create", "-f", "-", stdin=json.dumps(service("fixed")))
    code, _, errors = kubectl.run("patch", "svc", "fixed", "-p", json.dumps({"spec": {"clusterIP": "10.0.0.99", "clusterIPs": ["10.0.0.99"]}}))
    checks.has("the cluster address cannot change", errors, "spec.clusterIPs[0]: Invalid value:", "may not change once set")
    kubectl("delete", "svc", "fixed")


def _types(checks, kubectl):
    kubectl("create", "-f", "-", stdin=json.dumps(service("headless", clusterIP="None")))
    checks.equal("a headless Service has no address", kubectl("get", "svc", "headless", "--no-headers").split()[2], "None")
    kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "external"}, "spec": {"type": "ExternalName", "externalName": "a.example"}}))
    checks.equal("an ExternalName shows its name", kubectl("get", "svc", "external", "--no-headers").split()[1:4], ["ExternalName", "<none>", "a.example"])
    kubectl("create", "-f", "-", stdin=json.dumps(service("ports", type="NodePort", ports=[{"port": 80, "nodePort": 30123}])))
    checks.equal("a node port that is asked for is given", kubectl.json("get", "svc", "ports")["spec"]["ports"][0]["nodePort"], 30123)
    code, _, errors = kubectl.run("create", "-f", "-", stdin=json.dumps(service("twin", type="NodePort", ports=[{"port": 80, "nodePort": 30123}])))
    checks.has("once", errors, "spec.ports[0].nodePort: Invalid value: 30123: provided port is already allocated")
    kubectl("patch", "svc", "ports", "-p", '{"spec":{"type":"ClusterIP"}}')
    spec = kubectl.json("get", "svc", "ports")["spec"]
    checks.that("a Service that becomes internal loses node port and policy", "nodePort" not in spec["ports"][0] and "externalTrafficPolicy" not in spec, spec)
    kubectl("delete", "svc", "headless", "external", "ports")


def _deletion(checks, kubectl, bare):
    body = service("held") | {"metadata": {"name": "held", "finalizers": ["example.com/hold"]}}
    kubectl("create", "-f", "-", stdin=json.dumps(body))
    path = "/api/v1/namespaces/default/services/held"
    uid = bare("GET", path).json()["metadata"]["uid"]
    wrong = bare("DELETE", path, {"preconditions": {"uid": "another"}})
    checks.equal("a precondition that fails is a conflict", wrong.status_code, 409)
    wrong = bare("DELETE", path, {"propagationPolicy": "Sometimes"})
    checks.equal("a policy that is none is invalid", wrong.status_code, 422)
    trial = bare("DELETE", path + "?dryRun=All")
    checks.that("a dry run deletes nothing", trial.status_code == 200 and "deletionTimestamp" not in bare("GET", path).json()["metadata"], trial.text)
    kubectl("delete", "svc", "held", "--wait=false")
    held = bare("GET", path).json()["metadata"]
    checks.that("a finalizer holds the object", held["uid"] == uid and "deletionTimestamp" in held, held)
    more = bare("PATCH", path, {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}}, "application/merge-patch+json")
    checks.has("no finalizer can be added any more", more.json().get("message", ""), "no new finalizers can be added if the object is being deleted")
    kubectl("patch", "svc", "held", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    checks.equal("without finalizers it goes", bare("GET", path).status_code, 404)
    for name in ("many-1", "many-2"):
        kubectl("create", "configmap", name)
        kubectl("label", "cm", name, "group=many")
    kubectl("delete", "cm", "-l", "group=many")
    checks.equal("delete by label", kubectl("get", "cm", "-l", "group=many", "-o", "name"), "")
    kubectl("create", "configmap", "rest")
    gone = bare("DELETE", "/api/v1/namespaces/default/configmaps?labelSelector=a%3Db")
    checks.that("a collection is deleted by selector", gone.status_code == 200 and kubectl.run("get", "cm", "rest")[0] == 0, gone.text)
    bare("DELETE", "/api/v1/namespaces/default/configmaps")
    checks.equal("or as a whole", kubectl.run("get", "cm", "rest")[0], 1)
    checks.has("--ignore-not-found", kubectl("delete", "cm", "rest", "--ignore-not-found") + "ok", "ok")


def _lists(checks, kubectl, bare):
    for index in range(5):
        kubectl("create", "configmap", f"list-{index}")
    page = bare("GET", "/api/v1/namespaces/default/configmaps?limit=2").json()
    checks.equal("a page has its limit", (len(page["items"]), page["metadata"]["remainingItemCount"]), (2, 3))
    rest = bare("GET", f"/api/v1/namespaces/default/configmaps?limit=9&continue={page['metadata']['continue']}").json()
    checks.equal("the rest follows", [item["metadata"]["name"] for item in rest["items"]], ["list-2", "list-3", "list-4"])
    checks.equal("kubectl reads pages", len(kubectl("get", "cm", "--chunk-size=2", "-o", "name").split()), 5)
    kubectl("label", "cm", "list-0", "color=red")
    kubectl("label", "cm", "list-1", "color=blue")
    pick = lambda *selector: kubectl("get", "cm", *selector, "-o", "name").split()
    checks.equal("labels: equality", pick("-l", "color=red"), ["configmap/list-0"])
    checks.equal("labels: sets", pick("-l", "color in (red,blue)"), ["configmap/list-0", "configmap/list-1"])
    checks.equal("labels: absence", len(pick("-l", "!color")), 3)
    checks.equal("labels: inequality counts absence", len(pick("-l", "color!=red")), 4)
    checks.equal("labels: notin", len(pick("-l", "color notin (red)")), 4)
    checks.equal("fields", pick("--field-selector=metadata.name=list-2"), ["configmap/list-2"])
    code, _, errors = kubectl.run("get", "cm", "--field-selector=data.a=b")
    checks.has("a field that cannot be selected by", errors, "field label not supported: data.a")
    bare("DELETE", "/api/v1/namespaces/default/configmaps")


def _watches(checks, kubectl, bare):
    watching = kubectl.start("get", "cm", "-w", "--no-headers", "--output-watch-events")
    try:
        eventually(lambda: kubectl.run("get", "ns")[0] == 0)
        time.sleep(0.3)  # Until the watch is open: kubectl does not say.
        kubectl("create", "configmap", "seen")
        kubectl("label", "cm", "seen", "a=b")
        kubectl("delete", "cm", "seen")
        lines = [watching.stdout.readline().split()[0] for _ in range(3)]
        checks.equal("kubectl get -w", lines, ["ADDED", "MODIFIED", "DELETED"])
    finally:
        watching.send_signal(signal.SIGINT)
        watching.communicate(timeout=10)
    events = bare.events("/api/v1/nodes?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true", 2)
    checks.equal("a watch-list sends what there is and a bookmark", [event["type"] for event in events], ["ADDED", "BOOKMARK"])
    checks.equal("the bookmark says that this was all", events[1]["object"]["metadata"]["annotations"], {"k8s.io/initial-events-end": "true"})
    version = events[1]["object"]["metadata"]["resourceVersion"]
    ended = bare("GET", f"/api/v1/nodes?watch=true&resourceVersion={version}&timeoutSeconds=1")
    checks.equal("a watch ends with its timeout", ended.text, "")
    wrong = bare("GET", "/api/v1/nodes?watch=true&sendInitialEvents=true&timeoutSeconds=1")
    checks.equal("sendInitialEvents needs resourceVersionMatch", (wrong.status_code, wrong.status_code != 200 and "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan" in wrong.text), (422, True))
    kubectl("create", "configmap", "waited")
    out = kubectl("wait", "cm/waited", "--for=jsonpath={.metadata.name}=waited", "--timeout=5s")
    checks.has("kubectl wait", out, "condition met")
    kubectl("delete", "cm", "waited")


def _controller(checks, bare):
    found = bare("GET", "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication")
    checks.equal("the ConfigMap about authentication is there", found.status_code, 200)
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "aks-managed-resource-locker", "namespace": "kube-system"},
             "spec": {"holderIdentity": "ccm", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000001Z"}}
    leases = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
    made = bare("POST", leases, lease)
    checks.equal("a lease is taken", made.status_code, 201)
    checks.equal("times keep their microseconds", made.json()["spec"]["renewTime"], "2026-01-01T00:00:00.000001Z")
    renewed = made.json()
    renewed["spec"]["renewTime"] = "2026-01-01T00:00:10.000001Z"
    checks.equal("and renewed", bare("PUT", f"{leases}/aks-managed-resource-locker", renewed).status_code, 200)
    checks.equal("by who has the latest version only", bare("PUT", f"{leases}/aks-managed-resource-locker", renewed).status_code, 409)
    event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "web.1", "namespace": "default"},
             "involvedObject": {"kind": "Service", "namespace": "default", "name": "web"}, "reason": "EnsuredLoadBalancer",
             "message": "Ensured load balancer", "type": "Normal", "source": {"component": "service-controller"}, "count": 1}
    checks.equal("an event is recorded", bare("POST", "/api/v1/namespaces/default/events", event).status_code, 201)
    other = bare("GET", "/apis/events.k8s.io/v1/namespaces/default/events/web.1").json()
    checks.equal("it is there in its newer spelling, too", (other.get("note"), other.get("regarding", {}).get("name"), other.get("apiVersion")), ("Ensured load balancer", "web", "events.k8s.io/v1"))
    newer = {"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "web.2", "namespace": "default"},
             "regarding": {"kind": "Service", "namespace": "default", "name": "web"}, "reason": "Made", "action": "Make", "note": "made",
             "type": "Normal", "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "test", "reportingInstance": "test-1"}
    checks.equal("a newer event is recorded", bare("POST", "/apis/events.k8s.io/v1/namespaces/default/events", newer).status_code, 201)
    checks.equal("and read in the older spelling", bare("GET", "/api/v1/namespaces/default/events/web.2").json()["message"], "made")
    incomplete = bare("POST", "/apis/events.k8s.io/v1/namespaces/default/events", {**newer, "metadata": {"name": "web.3", "namespace": "default"}, "action": ""})
    checks.equal("a newer event has to be complete", incomplete.status_code, 422)
    elsewhere = bare("POST", "/api/v1/namespaces/default/events", {**event, "metadata": {"name": "web.4", "namespace": "default"}, "involvedObject": {"kind": "Service", "namespace": "kube-system", "name": "web"}})
    checks.has("an event is about its own namespace", elsewhere.text, "does not match event.namespace")
    bare("POST", "/api/v1/namespaces/default/services", service("ccm"))
    path = "/api/v1/namespaces/default/services/ccm/status"
    merge = "application/merge-patch+json"
    held = bare("PATCH", path, {"metadata": {"finalizers": ["service.kubernetes.io/load-balancer-cleanup"]}}, merge).json()
    checks.equal("metadata is patched through /status", held["metadata"].get("finalizers"), ["service.kubernetes.io/load-balancer-cleanup"])
    shown = bare("PATCH", path, {"status": {"loadBalancer": {"ingress": [{"ip": "10.240.0.9"}]}}}, merge).json()
    checks.equal("and the status", shown["status"]["loadBalancer"]["ingress"][0]["ip"], "10.240.0.9")
    spec = bare("PATCH", path, {"spec": {"type": "NodePort"}}, merge).json()
    checks.equal("but not the spec", spec["spec"]["type"], "ClusterIP")
    bare("PATCH", path, {"metadata": {"finalizers": None}}, merge)
    checks.equal("a Service without finalizers goes at once", (bare("DELETE", path.removesuffix("/status")).status_code, bare("GET", path).status_code), (200, 404))


def _media(checks, bare):
    yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: from-yaml\ndata:\n  answer: \"42\"\n"
    path = "/api/v1/namespaces/default/configmaps"
    made = bare("POST", path, yaml, "application/yaml")
    checks.equal("a body may be YAML", (made.status_code, made.json().get("data")), (201, {"answer": "42"}))
    applied = bare("PATCH", f"{path}/from-yaml?fieldManager=me&force=true", yaml.replace("42", "43"), "application/apply-patch+yaml")
    checks.equal("and so may what is applied", (applied.status_code, applied.json().get("data")), (200, {"answer": "43"}))
    shown = bare("GET", f"{path}/from-yaml", headers={"Accept": "application/yaml"})
    checks.that("an answer may be YAML", shown.headers["Content-Type"] == "application/yaml" and "answer:" in shown.text, shown.text)
    wrong = bare("POST", path, "<x/>", "text/xml")
    checks.equal("a body of another kind is refused", wrong.status_code, 415)
    broken = bare("POST", path, "{")
    checks.equal("a broken body is a bad request", broken.status_code, 400)
    swagger = bare("GET", "/openapi/v2").json()
    checks.that("OpenAPI v2 is there as JSON", "io.k8s.api.core.v1.Service" in swagger["definitions"], list(swagger))
    bare("DELETE", f"{path}/from-yaml")
