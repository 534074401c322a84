//! What a person can do about the complaint of a store.

use super::complaint::Complaint;
use crate::operation::S3Operation;

const SET_CLOCK: &str = "set the clock of this machine right";

/// Returns the remedy of a complaint, where one is known.
pub(super) fn of_complaint(operation: S3Operation, complaint: &Complaint) -> Option<String> {
    if let Some(region) = other_region(complaint) {
        return Some(format!("the bucket is in another region: set the region to {region}"));
    }
    let fixed = match (complaint.code(), complaint.status) {
        // The wording of an expired signature, which is young.
        ("AccessDenied" | "RequestTimeTooSkewed", _) if complaint.mentions("expired") => SET_CLOCK,
        ("RequestTimeTooSkewed", _) => SET_CLOCK,
        ("SignatureDoesNotMatch", _) => {
            "check the secret access key, and whether a proxy changes requests on their way"
        }
        ("InvalidAccessKeyId" | "NotSignedUp", _) => {
            "check the access key, and whether the endpoint is the store that it belongs to"
        }
        ("InvalidToken" | "ExpiredToken" | "TokenRefreshRequired", _) => {
            "get new temporary credentials"
        }
        ("NoSuchBucket", _) => {
            "check the name of the bucket and the endpoint, or create the bucket"
        }
        ("PermanentRedirect" | "TemporaryRedirect", _) | ("", 301 | 307 | 308) => {
            "check the endpoint and the region of the bucket"
        }
        ("NotImplemented", _) | ("", 501) => {
            "the store lacks this operation or one of its options, such as conditions"
        }
        ("AccessDenied", _) | ("", 403) => {
            let right = operation.right();
            return Some(format!("give the credentials the right {right} for the bucket"));
        }
        _ => return None,
    };
    Some(fixed.to_owned())
}

/// Returns the region of the bucket if the complaint is about another one.
fn other_region(complaint: &Complaint) -> Option<&str> {
    let is_about_region = matches!(complaint.status, 301 | 302 | 307 | 308)
        || matches!(
            complaint.code(),
            "AuthorizationHeaderMalformed"
                | "AuthorizationQueryParametersError"
                | "PermanentRedirect"
                | "TemporaryRedirect"
                | "IllegalLocationConstraintException"
        );
    // Stores name the right region with these errors only.
    complaint.region.as_deref().filter(|_| is_about_region)
}
