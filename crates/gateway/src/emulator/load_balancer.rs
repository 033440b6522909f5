//! What the metadata service says about the load balancer before a machine.

use http::StatusCode;
use serde_json::json;

use crate::answer::{self, Answer};
use crate::facts::LoadBalancer;

/// Answers with the rules of a load balancer, or that there is none.
pub(super) fn rules(balancer: Option<&LoadBalancer>) -> Answer {
    match balancer {
        Some(balancer) => answer::json(StatusCode::OK, &json!({ "loadbalancer": balancer })),
        None => {
            let error = "No load balancer metadata is found. Please check if your VM is using any \
                         non-basic SKU load balancer and retry later.";
            answer::json(StatusCode::NOT_FOUND, &json!({ "error": error }))
        }
    }
}
