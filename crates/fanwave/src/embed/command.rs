//! `fanwave embed`: makes the signed address of a show for other pages, and the lines of HTML to put there.

use std::{process::ExitCode, time::Duration};

use anyhow::bail;
use clap::ValueEnum;
use fanwave_wire::{RoomId, UnixMillis};

use super::Embed;
use crate::{cli::Place, clock, datadir::DataDir, output};

/// Longest life of a link, days.
const DAYS_MAX: u32 = 400;

/// What `fanwave embed --help` says at its end.
pub(crate) const EXAMPLES: &str = "\
Examples:
  fanwave embed --origin https://shop.example
  fanwave embed --channel demo --origin https://shop.example --origin https://blog.example --show chat --theme light
  fanwave embed --origin https://shop.example --url https://live.example --address-only

Only the pages named can show it, until it expires: address and pages are signed with the data folder's secret, and a browser
enforces them. Nothing is stored; a link is taken back by changing the secret, which ends all tokens, too.
Next: paste the lines into the page. If that page has a content policy, it needs frame-src with this server's address.";

/// What can be asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct EmbedArgs {
    /// The channel; the first one, if none is named
    #[arg(long)]
    channel: Option<RoomId>,
    /// A page that may show it, as a browser names it; once for each
    #[arg(long = "origin", value_name = "ORIGIN", required = true)]
    origins: Vec<String>,
    /// How long the address is valid, 1 to 400 days
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=i64::from(DAYS_MAX)))]
    days: u32,
    /// What is shown
    #[arg(long, value_enum, default_value_t = Shown::Both)]
    show: Shown,
    /// The language; the viewer's own, if none is named
    #[arg(long, value_enum)]
    lang: Option<Lang>,
    /// The colours
    #[arg(long, value_enum, default_value_t = Theme::Dark)]
    theme: Theme,
    /// Where browsers reach this server, if not at the public address that is configured
    #[arg(long)]
    url: Option<String>,
    /// Print the address alone
    #[arg(long)]
    address_only: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shown {
    /// Picture and chat
    Both,
    /// The picture alone
    Player,
    /// The chat alone
    Chat,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Lang {
    Ko,
    En,
    Ja,
    Es,
    Th,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Theme {
    Dark,
    Light,
    /// As the viewer's system has it
    Auto,
}

impl Shown {
    /// Its value in the address, and the size of a frame for it, pixels.
    const fn frame(self) -> (&'static str, u32, u32) {
        match self {
            Self::Both => ("both", 1120, 540),
            Self::Player => ("player", 960, 540),
            Self::Chat => ("chat", 380, 540),
        }
    }
}

impl Lang {
    const fn tag(self) -> &'static str {
        match self {
            Self::Ko => "ko",
            Self::En => "en",
            Self::Ja => "ja",
            Self::Es => "es",
            Self::Th => "th",
        }
    }
}

impl Theme {
    const fn name(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Light => "light",
            Self::Auto => "auto",
        }
    }
}

/// Prints it.
pub(crate) fn run(args: EmbedArgs) -> Result<ExitCode, anyhow::Error> {
    let plan = args.place.plan()?;
    let ids: Vec<&RoomId> = plan.channels.iter().map(|channel| &channel.id).collect();
    let wanted = args.channel.as_ref();
    let Some(channel) = ids
        .iter()
        .find(|id| wanted.is_none_or(|wanted| wanted == **id))
    else {
        let names: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
        bail!(
            "no such channel is configured; there are: {}",
            names.join(", ")
        );
    };
    let Some(server) = args.url.or_else(|| plan.http.public_url.clone()) else {
        bail!(
            "say where browsers reach this server: --url https://live.example, or http.public_url in the configuration"
        );
    };
    let server = server.trim_end_matches('/');
    let is_address = super::is_origin(server);
    if !is_address {
        bail!("--url is http:// or https:// and a host, without a path");
    }
    let key = DataDir::open(&plan.data_dir)?.token_key(plan.token_secret_file.as_deref())?;
    let life = Duration::from_secs(u64::from(args.days) * 86_400).as_secs() * 1000;
    let (show, width, height) = args.show.frame();
    let mut look = vec![("show", show), ("theme", args.theme.name())];
    look.extend(args.lang.map(|lang| ("lang", lang.tag())));
    let link = Embed {
        channel: (*channel).clone(),
        origins: args.origins,
        expires: UnixMillis(clock::now().0 + life),
        look,
    };
    let address = format!("{server}{}", link.sign(&key)?);
    output::print(&if args.address_only {
        format!("{address}\n")
    } else {
        snippet(&address, (width, height))
    });
    Ok(ExitCode::SUCCESS)
}

/// The frame as HTML. It may not leave itself or open windows; sound and the whole screen are for the viewer to ask for.
fn snippet(address: &str, (width, height): (u32, u32)) -> String {
    // The only character of the address that means something in an attribute.
    let address = address.replace('&', "&amp;");
    format!(
        "<iframe\n  src=\"{address}\"\n  title=\"Live show\" width=\"{width}\" height=\"{height}\" loading=\"lazy\" referrerpolicy=\"strict-origin\"\n  \
         sandbox=\"allow-scripts allow-same-origin allow-forms\" allow=\"autoplay; fullscreen; picture-in-picture\"\n></iframe>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_are_html_whose_address_is_the_one_signed() {
        let lines = snippet(
            "https://live.example/embed/demo?origin=https://a.example&expires=1&signature=x-_",
            (1, 2),
        );
        assert!(lines.contains("src=\"https://live.example/embed/demo?origin=https://a.example&amp;expires=1&amp;signature=x-_\""));
        assert!(lines.contains("width=\"1\" height=\"2\""));
        assert!(!lines.contains("allow-top-navigation"));
    }
}
