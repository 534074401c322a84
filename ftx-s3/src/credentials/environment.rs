//! Credentials in environment variables.

use super::S3Credentials;

/// Reads a variable. One that is blank counts as not set, as in the tools of AWS.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// Reads the credentials from variables, or returns the name of the one that is missing.
pub(super) fn read(
    variable: impl Fn(&str) -> Option<String>,
) -> Result<S3Credentials, &'static str> {
    let required = |name| variable(name).ok_or(name);
    Ok(S3Credentials::new(
        required("AWS_ACCESS_KEY_ID")?,
        required("AWS_SECRET_ACCESS_KEY")?,
        variable("AWS_SESSION_TOKEN"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<S3Credentials, &'static str> {
        read(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn both_variables_are_needed() {
        let (key, secret) = (("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret"));
        let new = |token: Option<&str>| {
            S3Credentials::new("key".into(), "secret".into(), token.map(str::to_owned))
        };
        assert_eq!(from(&[key, secret]), Ok(new(None)));
        assert_eq!(from(&[key, secret, ("AWS_SESSION_TOKEN", "token")]), Ok(new(Some("token"))));
        assert_eq!(from(&[secret]), Err("AWS_ACCESS_KEY_ID"));
        assert_eq!(from(&[key]), Err("AWS_SECRET_ACCESS_KEY"));
    }
}
