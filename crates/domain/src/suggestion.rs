//! The nearest names to one that does not exist.

/// The candidates most like `given`, nearest first, at most three; none where nothing is near.
pub fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    const LIKE_ENOUGH: f64 = 0.75;
    // Comparing takes time that grows with the square of the length.
    const LONGEST: usize = 200;
    // Jaro and Winkler think little of short names, so one slip of the hand always counts as near.
    let likeness = |a: &str, b: &str| match strsim::osa_distance(a, b) {
        0 | 1 => 1.0,
        _ => strsim::jaro_winkler(a, b),
    };
    if given.len() > LONGEST {
        return Vec::new();
    }
    let given = given.to_lowercase();
    let mut scored: Vec<(f64, &str)> = candidates
        .into_iter()
        .map(|candidate| (likeness(&given, &candidate.to_lowercase()), candidate))
        .filter(|(score, _)| *score >= LIKE_ENOUGH)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().take(3).map(|(_, candidate)| candidate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_misspelling_and_invents_nothing() {
        let names = ["customer", "charge", "coupon", "invoice"];
        assert_eq!(nearest("custmer", names)[0], "customer");
        assert_eq!(nearest("Customers", names)[0], "customer");
        assert_eq!(nearest("ky", ["key"]), ["key"]);
        assert_eq!(nearest("zzz", names), Vec::<&str>::new());
    }
}
