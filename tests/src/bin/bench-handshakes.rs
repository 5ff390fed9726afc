//! `cargo bench-handshakes`: CPU of full handshakes at both ends, one at a time and in storms.

use std::process::ExitCode;

use clap::Parser;
use hearth_tests::bench::Handshakes;
use hearth_tests::setup;

/// Measures full handshakes of a node with the hub, over QUIC and over TLS on TCP.
#[derive(Debug, Parser)]
#[command(name = "cargo bench-handshakes", bin_name = "cargo bench-handshakes", after_help = EXAMPLES)]
struct Arguments {
    /// Handshakes in each case
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    count: u64,
    /// How many at a time: a list, a case for each
    #[arg(long, value_delimiter = ',', default_values_t = [1, 32, 256])]
    at_a_time: Vec<usize>,
    /// Print the figures as JSON instead of a table
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  cargo bench-handshakes
  cargo bench-handshakes --count 20 --at-a-time 1,8
  cargo bench-handshakes --json | jq .costs";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let measured = setup::build().and_then(|()| {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(measure(&arguments))
    });
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let storms: Vec<usize> = arguments.at_a_time.iter().map(|storm| (*storm).max(1)).collect();
    let handshakes = Handshakes::measure(folder.path(), arguments.count, &storms).await?;
    if arguments.json {
        anstream::println!("{}", serde_json::to_string_pretty(&handshakes)?);
    } else {
        anstream::println!("{}", handshakes.table());
    }
    Ok(())
}
