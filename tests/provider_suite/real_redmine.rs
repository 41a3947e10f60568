//! The real Redmine in the common suite. Its own administrator plays the other people; the provider works as a user of
//! its own for each statement, who sees only that one's projects.

use crate::bench::Registered;

const REAL_REDMINE: Registered = Registered::real("redmine", &["Files"]);

crate::statements! { REAL_REDMINE;
    listing::the_root_shows_the_projects
    listing::a_directory_lists_files_with_sizes_and_revisions
    listing::an_empty_directory_lists_nothing
    listing::names_of_any_script_survive
    listing::equal_names_stay_apart
    listing::one_thing_has_one_id_wherever_it_is_seen
    listing::what_is_gone_is_not_found
    listing::many_directories_are_listed_at_once
    reading::a_file_is_read_whole
    reading::an_empty_file_is_read
    reading::a_part_of_a_file_is_read
    reading::what_is_gone_cannot_be_read
    reading::content_that_changed_is_never_passed_off_as_the_old_one
    creating::a_created_file_has_its_bytes_and_its_name
    creating::an_empty_file_is_created
    creating::a_large_file_is_created
    creating::names_that_need_escaping_arrive_as_they_are
    creating::a_batch_creates_each_file_once
    creating::one_bad_asset_does_not_spoil_the_batch
    creating::nothing_is_created_in_a_directory_that_is_gone
    creating::a_name_the_service_refuses_is_not_even_sent
    revising::a_revision_keeps_the_file_and_adds_one_version
    revising::the_revision_told_is_the_revision_listed
    revising::a_file_that_is_gone_is_not_revised
    changing::directories_are_made_and_nested
    changing::a_file_is_renamed_and_stays_the_same_file
    changing::a_directory_is_renamed_with_what_it_holds
    changing::a_removed_file_goes_to_the_trash
    changing::an_empty_directory_is_removed
    changing::removing_what_is_gone_is_not_found
    changing::a_description_is_set
}
