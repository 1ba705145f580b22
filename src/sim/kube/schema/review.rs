//! Reviews: questions that are answered and not kept.

use super::Schema::{Free, Struct, Text};
use super::metadata::METADATA;
use super::{API_VERSION, KIND, Schema, Shape, field};

static RESOURCE_ATTRIBUTES: Shape = Shape {
    name: "io.k8s.api.authorization.v1.ResourceAttributes",
    about: "What somebody wants to do to a resource.",
    fields: &[
        field(0, "fieldSelector", Free, "Limits the question to some objects."),
        field(3, "group", Text, "The API group."),
        field(0, "labelSelector", Free, "Limits the question to some objects."),
        field(7, "name", Text, "The object."),
        field(1, "namespace", Text, "The namespace."),
        field(5, "resource", Text, "The resource."),
        field(6, "subresource", Text, "The subresource."),
        field(2, "verb", Text, "The verb."),
        field(4, "version", Text, "The version."),
    ],
};

static PATH_ATTRIBUTES: Shape = Shape {
    name: "io.k8s.api.authorization.v1.NonResourceAttributes",
    about: "What somebody wants to do to a path.",
    fields: &[field(1, "path", Text, "The path."), field(2, "verb", Text, "The verb.")],
};

static ACCESS_SPEC: Shape = Shape {
    name: "io.k8s.api.authorization.v1.SelfSubjectAccessReviewSpec",
    about: "The question.",
    fields: &[
        field(2, "nonResourceAttributes", Struct(&PATH_ATTRIBUTES), "About a path."),
        field(1, "resourceAttributes", Struct(&RESOURCE_ATTRIBUTES), "About a resource."),
    ],
};

static SELF_SUBJECT_ACCESS_REVIEW_SHAPE: Shape = Shape {
    name: "io.k8s.api.authorization.v1.SelfSubjectAccessReview",
    about: "May I?",
    fields: &[
        API_VERSION,
        KIND,
        field(1, "metadata", METADATA, "Name, labels, annotations and the like."),
        field(2, "spec", Struct(&ACCESS_SPEC), "The question."),
        field(0, "status", Free, "The answer."),
    ],
};

/// `authorization.k8s.io/v1/SelfSubjectAccessReview`.
pub(crate) static SELF_SUBJECT_ACCESS_REVIEW: Schema = Struct(&SELF_SUBJECT_ACCESS_REVIEW_SHAPE);

static RULES_SPEC: Shape = Shape {
    name: "io.k8s.api.authorization.v1.SelfSubjectRulesReviewSpec",
    about: "The question.",
    fields: &[field(1, "namespace", Text, "Where.")],
};

static SELF_SUBJECT_RULES_REVIEW_SHAPE: Shape = Shape {
    name: "io.k8s.api.authorization.v1.SelfSubjectRulesReview",
    about: "What may I?",
    fields: &[
        API_VERSION,
        KIND,
        field(1, "metadata", METADATA, "Name, labels, annotations and the like."),
        field(2, "spec", Struct(&RULES_SPEC), "The question."),
        field(0, "status", Free, "The answer."),
    ],
};

/// `authorization.k8s.io/v1/SelfSubjectRulesReview`.
pub(crate) static SELF_SUBJECT_RULES_REVIEW: Schema = Struct(&SELF_SUBJECT_RULES_REVIEW_SHAPE);

static SELF_SUBJECT_REVIEW_SHAPE: Shape = Shape {
    name: "io.k8s.api.authentication.v1.SelfSubjectReview",
    about: "Who am I?",
    fields: &[
        API_VERSION,
        KIND,
        field(1, "metadata", METADATA, "Name, labels, annotations and the like."),
        field(0, "status", Free, "The answer."),
    ],
};

/// `authentication.k8s.io/v1/SelfSubjectReview`.
pub(crate) static SELF_SUBJECT_REVIEW: Schema = Struct(&SELF_SUBJECT_REVIEW_SHAPE);
