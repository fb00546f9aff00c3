"""What is read about restores, as far as the asker may see their instance."""

from restores.selectors.clones import clone_get, clone_list, restored_folder_list

__all__ = ["clone_get", "clone_list", "restored_folder_list"]
