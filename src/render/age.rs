//! How long ago, in the words of `kubectl`: `45s`, `3m20s`, `5h`, `2d3h`, `97d`.

use jiff::Timestamp;

/// The age of something, as `kubectl get` prints it; a time in the future has the age 0.
///
/// Source: `k8s.io/apimachinery/pkg/util/duration.HumanDuration`.
pub fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |first: i64, unit: &str, second: i64, smaller: &str| match second {
        0 => format!("{first}{unit}"),
        _ => format!("{first}{unit}{second}{smaller}"),
    };
    match seconds {
        ..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => two(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_as_in_kubectl() {
        let of = |seconds: i64| age(Timestamp::UNIX_EPOCH, Timestamp::from_second(seconds).unwrap());
        let ages = [-5, 119, 120, 200, 601, 10_800, 14_500, 90_000, 172_800, 200_000, 800_000, 70_000_000, 300_000_000];
        let shown: Vec<String> = ages.into_iter().map(of).collect();
        assert_eq!(shown, ["0s", "119s", "2m", "3m20s", "10m", "3h", "4h1m", "25h", "2d", "2d7h", "9d", "2y80d", "9y"]);
    }
}
