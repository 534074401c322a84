//! The parts of a row of the table, and access to an option by its number.

use std::ops::RangeInclusive;

use ftx_core::AccessTokenError;

use super::{ClientConfig, OPTIONS, OptionChoice};

/// An option of a client.
#[derive(Debug)]
pub struct ClientOption {
    /// Its numbers in C.
    pub abi: &'static [AbiOption],
    /// Its flag on the command line, if there is one.
    pub flag: Option<CliFlag>,
    /// Its values, if there are few.
    pub choices: &'static [OptionChoice],
    pub(super) access: OptionAccess,
}

/// The field of an option.
#[derive(Debug)]
pub(super) struct OptionAccess {
    pub(super) number: fn(&ClientConfig) -> u64,
    pub(super) text: fn(&ClientConfig) -> String,
    pub(super) set_number: fn(&mut ClientConfig, u64) -> Option<()>,
    pub(super) set_bytes: fn(&mut ClientConfig, &[u8]) -> Result<(), OptionError>,
    pub(super) set_text: fn(&mut ClientConfig, &str) -> Option<()>,
}

/// An option in C. An option whose values are numbers and bytes has two.
#[derive(Clone, Debug)]
pub struct AbiOption {
    /// Its number, which never changes.
    pub number: u32,
    /// The name of its constant, after `FTX_OPTION_` and `FTX_JOB_OPTION_`.
    pub name: &'static str,
    /// The form of its values.
    pub form: AbiForm,
    /// Its counterpart for a single job.
    pub job: Option<AbiJobOption>,
    about: &'static str,
}

/// The form of the values of an option in C.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AbiForm {
    /// Numbers in this range; of an option with few values, those of them that have a name.
    Number(RangeInclusive<u64>),
    /// Bytes.
    Bytes,
}

/// An option of a job, which overrides the client's.
#[derive(Clone, Copy, Debug)]
pub struct AbiJobOption {
    /// Its number, which never changes.
    pub number: u32,
    /// The documentation of its constant.
    pub about: &'static str,
}

/// A flag of `ftx-client`.
#[derive(Clone, Debug)]
pub struct CliFlag {
    /// Its name, after `--`.
    pub name: &'static str,
    /// The name of its value; empty if it takes none and turns the option on.
    pub value_name: &'static str,
    /// The commands that have it.
    pub scope: CommandScope,
    help: &'static str,
    /// The values that it takes; `None` if those with a name are all.
    expected: Option<&'static str>,
}

/// The commands that have a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandScope {
    /// Every command.
    Every,
    /// `upload`.
    Upload,
    /// `download`.
    Download,
}

/// The reason that an option cannot be set or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionError {
    /// There is no option of that number.
    Unknown,
    /// The option has values of another form.
    Form,
    /// The option does not take that value.
    Value,
    /// The value is a path that contains a NUL.
    PathWithNul,
    /// The value is no token, or a mistyped one.
    Token(AccessTokenError),
}

impl AbiOption {
    pub(super) const fn number(
        number: u32,
        name: &'static str,
        range: RangeInclusive<u64>,
        about: &'static str,
    ) -> Self {
        Self { number, name, form: AbiForm::Number(range), job: None, about }
    }

    pub(super) const fn bytes(number: u32, name: &'static str, about: &'static str) -> Self {
        Self { number, name, form: AbiForm::Bytes, job: None, about }
    }

    /// Lets a job override the option.
    pub(super) const fn per_job(self, number: u32, about: &'static str) -> Self {
        Self { job: Some(AbiJobOption { number, about }), ..self }
    }
}

impl CliFlag {
    pub(super) const fn new(
        name: &'static str,
        value_name: &'static str,
        help: &'static str,
    ) -> Self {
        Self { name, value_name, scope: CommandScope::Every, help, expected: None }
    }

    pub(super) const fn of(self, scope: CommandScope) -> Self {
        Self { scope, ..self }
    }

    /// Lets the flag take more values than those with a name.
    pub(super) const fn takes(self, expected: &'static str) -> Self {
        Self { expected: Some(expected), ..self }
    }

    /// Whether the values with a name are all.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.expected.is_none()
    }
}

impl ClientOption {
    /// Sets the option to the value of a text of the command line.
    ///
    /// # Errors
    /// A hint at the values that the option takes.
    pub fn set_text(&self, config: &mut ClientConfig, text: &str) -> Result<(), String> {
        let mut changed = config.clone();
        let set = (self.access.set_text)(&mut changed, text);
        let number = (self.access.number)(&changed);
        if set.is_none() || self.range().is_some_and(|range| !range.contains(&number)) {
            let expected = self.flag.as_ref().and_then(|flag| flag.expected);
            return Err(format!("give {}", self.fill_in(expected.unwrap_or("another value"))));
        }
        *config = changed;
        Ok(())
    }

    /// The documentation of one of its constants in C.
    #[must_use]
    pub fn about(&self, abi: &AbiOption) -> String {
        self.fill_in(abi.about)
    }

    /// The description of its flag, with the default.
    #[must_use]
    pub fn help(&self) -> String {
        let help = self.flag.as_ref().map_or("", |flag| flag.help);
        let default = (self.access.text)(&ClientConfig::default());
        let help = self.fill_in(help);
        if default.is_empty() || self.is_switch() {
            return help;
        }
        format!("{help} [default: {default}]")
    }

    /// Whether its flag takes no value, and turns it on.
    #[must_use]
    pub fn is_switch(&self) -> bool {
        self.flag.as_ref().is_some_and(|flag| flag.value_name.is_empty())
    }

    fn range(&self) -> Option<&RangeInclusive<u64>> {
        self.abi.iter().find_map(|abi| match &abi.form {
            AbiForm::Number(range) => Some(range),
            AbiForm::Bytes => None,
        })
    }

    fn fill_in(&self, text: &str) -> String {
        let default = (self.access.number)(&ClientConfig::default());
        let text = text.replace("{default}", &default.to_string());
        let text = text.replace("{choices}", &self.choices_text(default));
        let Some(range) = self.range() else { return text };
        let text = text.replace("{min}", &range.start().to_string());
        text.replace("{max}", &range.end().to_string())
    }

    /// A list such as "`FTX_A` (the default), `FTX_B` or `FTX_C`".
    fn choices_text(&self, default: u64) -> String {
        let settable = self.choices.iter().filter(|choice| choice.name.is_some());
        let mut texts: Vec<_> = settable
            .map(|choice| {
                let note = if choice.number == default { " (the default)" } else { "" };
                format!("`FTX_{}`{note}", choice.constant)
            })
            .collect();
        let last = texts.pop().unwrap_or_default();
        if texts.is_empty() { last } else { format!("{} or {last}", texts.join(", ")) }
    }
}

/// All options in C, in the order of their numbers.
pub fn abi_options() -> impl Iterator<Item = (&'static ClientOption, &'static AbiOption)> {
    OPTIONS.iter().flat_map(|option| option.abi.iter().map(move |abi| (option, abi)))
}

/// The number of the client's option that the option of a job overrides.
#[must_use]
pub fn of_job(job_number: u32) -> Option<u32> {
    let is_job = |abi: &AbiOption| abi.job.is_some_and(|job| job.number == job_number);
    abi_options().find(|(_, abi)| is_job(abi)).map(|(_, abi)| abi.number)
}

fn find(number: u32) -> Result<(&'static ClientOption, &'static AbiOption), OptionError> {
    abi_options().find(|(_, abi)| abi.number == number).ok_or(OptionError::Unknown)
}

/// Sets the option of this number.
///
/// # Errors
/// [`OptionError`]; nothing is changed.
pub fn set_number(config: &mut ClientConfig, number: u32, value: u64) -> Result<(), OptionError> {
    let (option, abi) = find(number)?;
    match &abi.form {
        AbiForm::Number(range) if range.contains(&value) => {
            (option.access.set_number)(config, value).ok_or(OptionError::Value)
        }
        AbiForm::Number(_) => Err(OptionError::Value),
        AbiForm::Bytes => Err(OptionError::Form),
    }
}

/// Sets the option of this number, whose values are bytes.
///
/// # Errors
/// [`OptionError`]; nothing is changed.
pub fn set_bytes(config: &mut ClientConfig, number: u32, value: &[u8]) -> Result<(), OptionError> {
    let (option, abi) = find(number)?;
    match abi.form {
        AbiForm::Number(_) => Err(OptionError::Form),
        AbiForm::Bytes => (option.access.set_bytes)(config, value),
    }
}

/// The value of the option of this number.
///
/// # Errors
/// There is no such option, or its values are bytes.
pub fn number_of(config: &ClientConfig, number: u32) -> Result<u64, OptionError> {
    let (option, abi) = find(number)?;
    match abi.form {
        AbiForm::Number(_) => Ok((option.access.number)(config)),
        AbiForm::Bytes => Err(OptionError::Form),
    }
}
