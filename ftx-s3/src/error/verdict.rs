//! What the answers of stores mean: their kind, whether they may pass, and whether the request may have
//! had an effect.

use super::S3ErrorKind;
use super::complaint::Complaint;
use super::problem::RequestEffect;

/// The meaning of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AnswerVerdict {
    pub(super) kind: S3ErrorKind,
    pub(super) may_pass: bool,
    pub(super) effect: RequestEffect,
}

/// A refusal that no other attempt would change.
const fn lasting(kind: S3ErrorKind) -> AnswerVerdict {
    AnswerVerdict { kind, may_pass: false, effect: RequestEffect::None }
}

/// A refusal without an effect, which may pass.
const fn passing(kind: S3ErrorKind) -> AnswerVerdict {
    AnswerVerdict { kind, may_pass: true, effect: RequestEffect::None }
}

/// A failure inside the store, which may pass.
const BROKEN: AnswerVerdict = AnswerVerdict {
    kind: S3ErrorKind::Unavailable,
    may_pass: true,
    effect: RequestEffect::Unknown,
};

/// Returns the meaning of an answer. The code counts more than the status: some stores send the right
/// code with another status, and an error that comes after the head of an answer has the status 200.
pub(super) fn of(complaint: &Complaint) -> AnswerVerdict {
    of_code(complaint.code()).unwrap_or_else(|| of_status(complaint.status))
}

fn of_code(code: &str) -> Option<AnswerVerdict> {
    use S3ErrorKind as Kind;
    Some(match code {
        "NoSuchKey" => lasting(Kind::NotFound),
        "NoSuchBucket" => lasting(Kind::NoSuchBucket),
        "NoSuchUpload" => lasting(Kind::NoSuchUpload),
        "PreconditionFailed" => lasting(Kind::PreconditionFailed),
        "InvalidPart" | "InvalidPartOrder" | "EntityTooSmall" => lasting(Kind::InvalidPart),
        "EntityTooLarge" => lasting(Kind::TooLarge),
        "AccessDenied" | "AllAccessDisabled" | "AccountProblem" => lasting(Kind::AccessDenied),
        "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "InvalidToken"
        | "ExpiredToken"
        | "TokenRefreshRequired"
        | "NotSignedUp"
        | "RequestTimeTooSkewed" => lasting(Kind::BadCredentials),
        "QuotaExceeded"
        | "InsufficientStorage"
        | "XMinioStorageFull"
        | "XMinioAdminBucketQuotaExceeded" => lasting(Kind::NoSpace),
        // The store says so before it does anything.
        "SlowDown"
        | "TooManyRequests"
        | "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "RequestThrottled"
        | "BandwidthLimitExceeded"
        // The body did not arrive.
        | "RequestTimeout"
        | "IncompleteBody" => passing(Kind::Unavailable),
        // The body arrived damaged.
        "BadDigest" | "XAmzContentChecksumMismatch" => passing(Kind::Other),
        "OperationAborted" | "ConditionalRequestConflict" => passing(Kind::Conflict),
        "InternalError" | "ServiceUnavailable" => BROKEN,
        _ => return None,
    })
}

fn of_status(status: u16) -> AnswerVerdict {
    use S3ErrorKind as Kind;
    match status {
        401 => lasting(Kind::BadCredentials),
        403 => lasting(Kind::AccessDenied),
        404 => lasting(Kind::NotFound),
        408 | 429 | 509 => passing(Kind::Unavailable),
        409 => lasting(Kind::Conflict),
        412 => lasting(Kind::PreconditionFailed),
        413 => lasting(Kind::TooLarge),
        501 => lasting(Kind::Other),
        507 => lasting(Kind::NoSpace),
        // Proxies have further ones between 520 and 530.
        500..=599 => BROKEN,
        _ => lasting(Kind::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, code: &str) -> AnswerVerdict {
        let code = (!code.is_empty()).then(|| code.to_owned());
        of(&Complaint { status, code, ..Complaint::default() })
    }

    #[test]
    fn the_code_counts_more_than_the_status() {
        assert_eq!(verdict(400, "NoSuchKey"), lasting(S3ErrorKind::NotFound));
        assert_eq!(verdict(404, "NoSuchBucket"), lasting(S3ErrorKind::NoSuchBucket));
        assert_eq!(verdict(403, "QuotaExceeded"), lasting(S3ErrorKind::NoSpace));
        assert_eq!(verdict(403, "RequestTimeTooSkewed"), lasting(S3ErrorKind::BadCredentials));
        assert_eq!(verdict(200, "InternalError"), BROKEN);
        assert_eq!(verdict(200, "PreconditionFailed"), lasting(S3ErrorKind::PreconditionFailed));
    }

    #[test]
    fn answers_without_a_known_code_are_told_apart_by_their_status() {
        for (status, kind) in [
            (301, S3ErrorKind::Other),
            (400, S3ErrorKind::Other),
            (401, S3ErrorKind::BadCredentials),
            (403, S3ErrorKind::AccessDenied),
            (404, S3ErrorKind::NotFound),
            (409, S3ErrorKind::Conflict),
            (412, S3ErrorKind::PreconditionFailed),
            (413, S3ErrorKind::TooLarge),
            (501, S3ErrorKind::Other),
            (507, S3ErrorKind::NoSpace),
        ] {
            assert_eq!(verdict(status, ""), lasting(kind), "{status}");
            assert_eq!(verdict(status, "Unheard"), lasting(kind), "{status}");
        }
    }

    #[test]
    fn only_answers_before_the_work_surely_had_no_effect() {
        for (status, code) in [(503, "SlowDown"), (429, ""), (400, "RequestTimeout"), (408, "")] {
            assert_eq!(verdict(status, code), passing(S3ErrorKind::Unavailable), "{code}");
        }
        // MinIO sends the last when too few of its disks wrote.
        for (status, code) in [
            (500, "InternalError"),
            (502, ""),
            (503, ""),
            (504, ""),
            (522, ""),
            (503, "SlowDownWrite"),
        ] {
            assert_eq!(verdict(status, code), BROKEN, "{status} {code}");
        }
        assert_eq!(verdict(409, "OperationAborted"), passing(S3ErrorKind::Conflict));
        assert_eq!(verdict(400, "BadDigest"), passing(S3ErrorKind::Other));
    }
}
