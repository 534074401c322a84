//! The answer of a store that refuses a request.

use http::{HeaderMap, StatusCode};

use crate::xml::XmlElement;

/// The most characters of a store's code or identifier that are kept.
const MAX_NAME_CHARS: usize = 100;

/// What a store says about a request that it refuses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Complaint {
    pub(crate) status: u16,
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) request_id: Option<String>,
    /// The region of the bucket, where it differs from that of the request.
    pub(crate) region: Option<String>,
}

/// The fields of the XML document `Error`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ErrorDocument {
    code: Option<String>,
    message: Option<String>,
    request_id: Option<String>,
    region: Option<String>,
}

impl ErrorDocument {
    /// Reads the document. Whatever else a body is, such as the page of a proxy, says nothing.
    pub(crate) fn of_body(body: &[u8]) -> Option<Self> {
        Self::of_element(&XmlElement::parse(body).ok()?)
    }

    pub(crate) fn of_element(element: &XmlElement) -> Option<Self> {
        // Some stores wrap the element.
        let error = match element.name() {
            "Error" => element,
            "ErrorResponse" => element.child("Error")?,
            _ => return None,
        };
        let text = |name| error.text_of(name).map(str::trim).filter(|text| !text.is_empty());
        Some(Self {
            code: text("Code").map(name),
            // The message of a store could quote the request.
            message: text("Message").filter(|text| !text.contains("X-Amz-")).map(str::to_owned),
            request_id: text("RequestId").map(name),
            region: text("Region").map(name),
        })
    }
}

impl Complaint {
    /// Joins the parts of an answer. Answers to HEAD requests have no document.
    pub(crate) fn new(
        status: StatusCode,
        headers: &HeaderMap,
        document: Option<ErrorDocument>,
    ) -> Self {
        let header = |key| headers.get(key).and_then(|value| value.to_str().ok()).map(name);
        let document = document.unwrap_or_default();
        Self {
            status: status.as_u16(),
            code: document.code,
            message: document.message,
            request_id: header("x-amz-request-id").or(document.request_id),
            region: header("x-amz-bucket-region").or(document.region),
        }
    }

    pub(crate) fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_default()
    }

    /// Whether the message contains a word, in small letters.
    pub(crate) fn mentions(&self, word: &str) -> bool {
        self.message.as_ref().is_some_and(|message| message.to_ascii_lowercase().contains(word))
    }
}

/// Cuts what should be a short name.
fn name(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(MAX_NAME_CHARS).collect()
}
