//! Annotations without an effect: on a Service that the cloud provider passes over, or on one of the wrong sort.

use crate::desired::check::rule::Findings;
use crate::desired::check::rule::Look;
use crate::desired::check::rule::Rule;
use crate::desired::check::subject::Note;
use crate::desired::check::subject::Subject;
use crate::domain::annotation;
use crate::domain::evidence::Evidence;
use crate::repo::schema::service::ServiceType;

pub(super) const RULES: &[Rule] = &[
    Rule::remark("ANN012", "azure-shared-securityrule does nothing", Look::Each(shared_rule))
        .because("The annotation is documented, but the cloud provider's code does not read it.", "Remove the annotation."),
    Rule::warning("ANN013", "load balancer annotations on a Service without a load balancer", Look::Inert(no_balancer))
        .because(
            "Only Services of `type: LoadBalancer` get one; on others the annotations do nothing.",
            "Set `type: LoadBalancer`, or remove the annotations.",
        ),
    Rule::warning("ANN014", "load balancer annotations on a Service of another controller", Look::Inert(other_class))
        .because(
            "With `spec.loadBalancerClass` the cloud provider leaves the Service to another controller, annotations and all.",
            "Remove `loadBalancerClass`, or the annotations.",
        ),
    Rule::warning("ANN015", "an annotation of a port that the Service does not have", Look::Each(no_such_port))
        .because("It is passed over without an event.", "Write the number of one of the Service's ports."),
    Rule::warning("ANN016", "a public address is configured on an internal Service", Look::Each(public_address))
        .because(
            "An internal load balancer has no public address. With several load balancers in the cluster, \
             azure-pip-name even breaks the choice between them.",
            "Remove the annotation, or make the Service public.",
        ),
    Rule::warning("ANN017", "a resource group of public addresses on an internal Service", Look::Each(address_group))
        .because(
            "It does not move the load balancer. The last step of each sync lists the public addresses of that group: if it \
             does not exist, the sync fails after all the work is done.",
            "Remove azure-load-balancer-resource-group.",
        ),
    Rule::remark("ANN018", "azure-load-balancer-mode does nothing with a Standard load balancer", Look::Each(mode))
        .because(
            "The annotation picks machines for Basic load balancers, which are retired. On Standard it is only logged.",
            "Remove the annotation.",
        )
        .by(Evidence::Documented),
];

fn shared_rule(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    if let Some(note) = subject.written(annotation::SHARED_RULE) {
        findings.say("azure-shared-securityrule does nothing", (note.key_place(), "read by nobody"), "remove it");
    }
}

fn first_of_ours<'a>(subject: &Subject<'a>) -> Option<Note<'a>> {
    subject.all_written().find(|note| annotation::KNOWN.contains(&note.key) || annotation::port_key(note.key).is_some())
}

fn no_balancer(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(spec) = subject.spec().filter(|spec| spec.service_type != Some(ServiceType::LoadBalancer)) else {
        return;
    };
    let Some(note) = first_of_ours(subject) else { return };
    let message = format!("{} has no load balancer", subject.key);
    let help = "set `type: LoadBalancer`, or remove the annotations";
    let place = subject.at("spec.type");
    match spec.service_type {
        Some(_) => findings.pair(message, ((note.key_place(), "does nothing"), (place, "without load balancer")), help),
        None => findings.say(message, (note.key_place(), "does nothing: the type is ClusterIP"), help),
    }
}

fn other_class(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(spec) = subject.spec().filter(|spec| spec.service_type == Some(ServiceType::LoadBalancer)) else {
        return;
    };
    if let (Some(class), Some(note)) = (&spec.load_balancer_class, first_of_ours(subject)) {
        let message = format!("the cloud provider leaves {} to the controller of {class}", subject.key);
        let places = ((subject.at("spec.loadBalancerClass"), "another controller"), (note.key_place(), "not read"));
        findings.pair(message, places, "remove `loadBalancerClass`, or the annotations");
    }
}

fn no_such_port(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let ports: Vec<String> = subject.ports().iter().map(|port| port.port.get().to_string()).collect();
    for note in subject.all_written() {
        let Some((number, rest)) = annotation::port_key(note.key) else { continue };
        let is_known = number.parse::<u16>().is_ok() && annotation::PORT_SUFFIXES.contains(&rest);
        if is_known && !ports.iter().any(|port| port == number) {
            let message = format!("{} has no port {number}", subject.key);
            let help = format!("its ports are {}", ports.join(", "));
            findings.say(message, (note.key_place(), "passed over"), help);
        }
    }
}

/// Annotations about the public address of a public load balancer.
const PUBLIC: [&str; 7] = [
    annotation::PIP_NAME,
    annotation::PIP_NAME_IPV6,
    annotation::PIP_PREFIX,
    annotation::PIP_PREFIX_IPV6,
    annotation::PIP_TAGS,
    annotation::PIP_IP_TAGS,
    annotation::DNS_LABEL,
];

fn public_address(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    for note in PUBLIC.into_iter().filter_map(|key| subject.written(key)).filter(|_| subject.is_internal()) {
        let message = format!("the load balancer of {} is internal and has no public address", subject.key);
        findings.say(message, (note.key_place(), "does nothing"), "remove it");
    }
}

fn address_group(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(note) = subject.written(annotation::LOAD_BALANCER_RESOURCE_GROUP) else { return };
    if subject.is_internal() && !note.is_blank() {
        let message = format!("the load balancer of {} is internal and has no public address", subject.key);
        findings.say(message, (note.key_place(), "is about public addresses"), "remove it");
    }
}

fn mode(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    if let Some(note) = subject.written(annotation::MODE) {
        let message = "azure-load-balancer-mode does nothing with a Standard load balancer";
        findings.say(message, (note.key_place(), "passed over"), "remove it");
    }
}
