//! The flags of the table of options, added to the commands.

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Arg, ArgAction, ArgMatches, Command};
use ftx_client::ClientConfig;
use ftx_client::options::{CliFlag, ClientOption, CommandScope, OPTIONS};

/// Adds the flags to the commands that have them.
pub(super) fn add(command: Command) -> Command {
    with_flags().fold(command, |command, (option, flag)| {
        let arg = arg(option, flag);
        match flag.scope {
            CommandScope::Every => command.arg(arg.global(true)),
            CommandScope::Upload => command.mut_subcommand("upload", |upload| upload.arg(arg)),
            CommandScope::Download => {
                command.mut_subcommand("download", |download| download.arg(arg))
            }
        }
    })
}

/// The flags of a command line, and their values.
#[derive(Debug, Default)]
pub(super) struct GivenFlags(Vec<(&'static ClientOption, String)>);

impl GivenFlags {
    pub(super) fn of(matches: &ArgMatches) -> Self {
        // It has the values of the global flags as well.
        let matches = matches.subcommand().map_or(matches, |(_, of_command)| of_command);
        // Another command's flag is unknown here.
        let given = with_flags().filter_map(|(option, flag)| {
            if option.is_switch() {
                let is_on = matches.try_get_one(flag.name).is_ok_and(|on| on == Some(&true));
                return is_on.then(|| (option, true.to_string()));
            }
            let text = matches.try_get_one::<String>(flag.name).ok()??;
            Some((option, text.clone()))
        });
        Self(given.collect())
    }

    /// Changes the settings to those that the flags give.
    pub(super) fn apply(&self, config: &mut ClientConfig) {
        for (option, text) in &self.0 {
            // The parser has checked the text.
            let _ = option.set_text(config, text);
        }
    }
}

fn with_flags() -> impl Iterator<Item = (&'static ClientOption, &'static CliFlag)> {
    OPTIONS.iter().filter_map(|option| Some((option, option.flag.as_ref()?)))
}

fn arg(option: &'static ClientOption, flag: &CliFlag) -> Arg {
    let arg = Arg::new(flag.name).long(flag.name).help(option.help());
    if option.is_switch() {
        return arg.action(ArgAction::SetTrue);
    }
    let arg = arg.value_name(flag.value_name);
    if flag.is_closed() {
        let values = option.choices.iter().filter_map(|choice| {
            let value = PossibleValue::new(choice.name?);
            Some(if let Some(help) = choice.help { value.help(help) } else { value })
        });
        return arg.value_parser(PossibleValuesParser::new(values));
    }
    arg.value_parser(move |text: &str| {
        option.set_text(&mut ClientConfig::default(), text).map(|()| text.to_owned())
    })
}
